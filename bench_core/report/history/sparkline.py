"""A small line of a series, as the path of an SVG: cheap enough for thousands of series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 180, 30
MAX_POINTS = 90
LEAST_RANGE = 1.1
"""The line is this ratio high at least, so that noise does not look like change."""


def path(values: Sequence[float]) -> str:
    """The path of a line through the values, or the medians of groups of them, in a box of ``WIDTH`` by ``HEIGHT``."""
    parts = np.array_split(np.asarray(values, dtype=np.float64), min(len(values), MAX_POINTS))
    y = np.log([np.median(part) for part in parts])
    middle = (y.min() + y.max()) / 2.0
    reach = max(np.log(LEAST_RANGE), y.max() - y.min())
    heights = HEIGHT / 2.0 - (y - middle) / reach * (HEIGHT - 4)
    x = np.linspace(2, WIDTH - 2, len(y)) if len(y) > 1 else np.array([WIDTH / 2])
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, heights, strict=True))
    return f"M{points}" if len(y) > 1 else f"M{points}h1"
