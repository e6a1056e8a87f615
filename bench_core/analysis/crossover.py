"""The batch size from which the GPU wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from bench_core.core.stats import Floats, Interval


@dataclass(frozen=True)
class Crossover:
    """Where the GPU overtakes the CPU: a batch size with its interval (an open end is ``None``), or only a word."""

    word: Literal["crossover", "GPU always", "CPU always", "not reached", "not judged"]
    batch: float | None = None
    interval: tuple[float | None, float | None] = (None, None)
    note: str = ""


def crossover(batches: Sequence[float], ratios: Sequence[float], intervals: Sequence[Interval | None]) -> Crossover:
    """The batch size from which on R stays above 1, interpolated on log-log axes between two measured batches.

    ``batches`` are in ascending order; ``ratios`` are R = t_cpu / t_gpu at these batches. The interval of the crossover
    runs from where the upper ends of R's intervals cross 1 to where the lower ends do. An end is open (``None``) if
    that is outside the measured batches; an R without an interval counts as unbounded on both sides. "GPU always" and
    "CPU always" refer to the measured batches and require that every interval lies entirely on that side of 1. If R
    crosses 1 several times, the last crossing counts if R ends above 1; if R ends below 1, there is no crossover.

    Raises ``ValueError`` for batches that are not in ascending order, numbers not above 0 or lists of unequal length.
    """
    if not len(batches) == len(ratios) == len(intervals):
        raise ValueError(f"{len(batches)} batches, {len(ratios)} ratios and {len(intervals)} intervals; give one each")
    if any(a >= b for a, b in pairwise(batches)) or min([*batches, *ratios], default=1.0) <= 0.0:
        raise ValueError("batches must rise, and batches and ratios be above 0")
    if len(batches) < 2:
        return Crossover("not reached", note="fewer than two batches were measured on both devices")
    lower = [interval[0] if interval else 0.0 for interval in intervals]
    upper = [interval[1] if interval else np.inf for interval in intervals]
    if min(lower) > 1.0:
        return Crossover("GPU always")
    if max(upper) < 1.0:
        return Crossover("CPU always")
    x, center, low, high = (np.log(np.clip(values, 1e-300, 1e300)) for values in (batches, ratios, lower, upper))
    batch = _last_rise(x, center)
    crossings = int(np.sum(np.diff(center > 0.0)))
    if batch is None:
        side = "above" if center[-1] > 0.0 else "not above"
        note = "R crosses 1 but ends below it" if crossings else f"R is {side} 1 throughout, but not every interval is"
        return Crossover("not reached", note=note)
    note = f"R crosses 1 {crossings} times; this is the last" if crossings > 1 else ""
    return Crossover("crossover", batch, (_last_rise(x, high), _last_rise(x, low)), note)


def _last_rise(x: Floats, y: Floats) -> float | None:
    """exp(x) where y rises above 0 for the last time and stays there; ``None`` if it does not."""
    below = np.flatnonzero(y <= 0.0)
    if y[-1] <= 0.0 or not len(below):
        return None
    i = int(below[-1])
    return float(np.exp(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i])))
