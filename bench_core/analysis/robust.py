"""Estimates of noise that outliers hardly change: pure functions of arrays."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bench_core.core.stats import Floats

CLIP = 2.0
"""Residuals count in full up to this many standard deviations."""

_TRIM = 0.1  # the share of values that the scale leaves out
_SMOOTH = 9  # the running median's width: a run of four outliers is not followed, a level of five is


def hampel(residuals: Floats) -> Floats:
    """Residuals in standard deviations, clipped at 2, and from 4 to 8 reduced to nothing (Hampel et al. 1986, 2.6)."""
    size = np.abs(residuals)
    return np.clip(residuals, -CLIP, CLIP) * np.clip(2.0 - size / (2.0 * CLIP), 0.0, 1.0)


def standard_deviation(residuals: Floats, outliers: int) -> float:
    """A standard deviation of the smaller absolute values, consistent for normal noise.

    A tenth is left out; of few residuals at least so many ``outliers``, if they are less than a third of all.
    """
    keep = len(residuals) - max(int(_TRIM * len(residuals)), min(outliers, len(residuals) // 3))
    ordered = np.sort(np.abs(residuals))[:keep]
    return math.sqrt(float(ordered @ ordered) / keep) * _consistency(keep / len(residuals))


@cache
def _consistency(share: float) -> float:
    if share >= 1.0:
        return 1.0
    normal = NormalDist()
    cut = normal.inv_cdf((1.0 + share) / 2.0)
    return 1.0 / math.sqrt(1.0 - 2.0 * cut * normal.pdf(cut) / share)


def running_median(x: Floats) -> Floats:
    """Medians of nine values around each, of fewer near the ends, and at the ends of the five outermost."""
    n, half = len(x), _SMOOTH // 2
    smooth = np.empty(n)
    smooth[half : n - half] = np.median(sliding_window_view(x, _SMOOTH), axis=1)
    for i in range(half):
        width = max(5, 2 * i + 1)
        smooth[i], smooth[n - 1 - i] = np.median(x[:width]), np.median(x[-width:])
    return smooth


def autocorrelation(residuals: Floats) -> float:
    """At lag 1, of residuals around zero."""
    squares = float(residuals @ residuals)
    return float(residuals[1:] @ residuals[:-1]) / squares if squares > 0.0 else 0.0
