"""Estimators and intervals: pure functions of arrays, which know nothing of clocks or devices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]
Floats = NDArray[np.float64]


def median(samples: ArrayLike) -> float:
    """The median of at least one sample."""
    return float(np.median(np.asarray(samples, dtype=np.float64)))


def median_interval(samples: ArrayLike, confidence: float = 0.95, effective: float | None = None) -> Interval | None:
    """Distribution-free confidence interval of the median, from order statistics.

    The interval [x_(l), x_(u)] of the sorted samples holds the median with probability 1 - 2 B(l - 1; n, 1/2), where B
    is the binomial distribution function (Conover, Practical Nonparametric Statistics, section 3.2; Hoefler & Belli
    2015, rule 8). ``effective`` is the number of independent samples these are worth: the distance of the ranks from
    the middle is widened by sqrt(n / effective). ``None`` where there are too few samples for the confidence asked
    (below six at 95%).
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    lower = interval_rank(n, confidence)
    if lower is None:
        return None
    if effective is not None and effective < n:
        middle = (n + 1) / 2
        lower = math.floor(middle - (middle - lower) * math.sqrt(n / effective))
        if lower < 1:
            return None
    return float(ordered[lower - 1]), float(ordered[n - lower])


def interval_rank(n: int, confidence: float) -> int | None:
    """The largest rank l (from 1) for which [x_(l), x_(n+1-l)] holds the median with at least this confidence.

    ``None`` if even the smallest and the largest of n samples do not.
    """
    tail = (1.0 - confidence) / 2.0
    cumulative, rank = 0.0, None
    for below in range(n // 2):
        cumulative += _binomial_half(n, below)
        if cumulative > tail:
            break
        rank = below + 1
    return rank


def _binomial_half(n: int, k: int) -> float:
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2.0))


def relative_half_width(center: float, interval: Interval | None) -> float | None:
    """Half the width of an interval, relative to its center; ``None`` without an interval."""
    if interval is None:
        return None
    return (interval[1] - interval[0]) / 2.0 / center


def effective_size(samples: ArrayLike) -> float:
    """How many independent samples these are worth for their median, from the autocorrelation of [x < median].

    n / (1 + 2 sum of rho_k), the sum over the initial positive pairs of the autocorrelation (Geyer, Practical Markov
    Chain Monte Carlo, Statistical Science 1992, section 3.3). Never above n, never below 1.
    """
    values = np.asarray(samples, dtype=np.float64)
    n = len(values)
    below = (values < np.median(values)).astype(np.float64)
    centered = below - below.mean()
    variance = float(centered @ centered)
    if n < 8 or variance == 0.0:
        return float(n)
    total = 0.0
    for lag in range(1, n // 2, 2):
        pair = float(centered[:-lag] @ centered[lag:] + centered[: -lag - 1] @ centered[lag + 1 :]) / variance
        if pair <= 0.0:
            break
        total += pair
    return float(min(n, max(1.0, n / (1.0 + 2.0 * total))))


def ratio_interval(a: float, a_interval: Interval, b: float, b_interval: Interval) -> Interval:
    """Interval of a / b from the intervals of two independent medians of positive numbers.

    exp(ln R +/- sqrt(h_a^2 + h_b^2)), where h is half the width of the interval of the logarithm (both at the same
    confidence, which is also that of the result).
    """
    half = math.hypot(_log_half_width(a_interval), _log_half_width(b_interval))
    ratio = a / b
    return ratio * math.exp(-half), ratio * math.exp(half)


def _log_half_width(interval: Interval) -> float:
    return (math.log(interval[1]) - math.log(interval[0])) / 2.0


def percentile(samples: ArrayLike, percent: float) -> float:
    """A percentile (0 to 100) by linear interpolation between order statistics."""
    return float(np.percentile(np.asarray(samples, dtype=np.float64), percent))


def thin(samples: Sequence[float], most: int) -> tuple[float, ...]:
    """At most ``most`` of the samples, evenly spaced in the order they were taken; the first and last are kept."""
    if len(samples) <= most:
        return tuple(samples)
    picks = np.linspace(0, len(samples) - 1, most).round().astype(int)
    return tuple(samples[i] for i in picks)
