"""Shares of repeated trials, with their intervals."""

from __future__ import annotations

import math


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927)."""
    share, spread = hits / count, z**2 / count
    center = (share + spread / 2.0) / (1.0 + spread)
    half = z * math.sqrt(share * (1.0 - share) / count + spread / count / 4.0) / (1.0 + spread)
    return center - half, center + half


def shown(hits: int, count: int) -> str:
    """A share and its interval, for a line of a proof."""
    low, high = wilson(hits, count)
    return f"{hits / count:.2%} [{low:.2%}, {high:.2%}] of {count}"
