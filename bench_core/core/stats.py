"""Estimators and confidence intervals: pure functions of arrays, independent of clocks and devices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]
Floats = NDArray[np.float64]

CLEAR = 1.0
"""An autocorrelation counts if it exceeds this many standard errors."""


def median(samples: ArrayLike) -> float:
    """The median of at least one sample."""
    return float(np.median(np.asarray(samples, dtype=np.float64)))


def median_interval(samples: ArrayLike, confidence: float = 0.95, effective: float | None = None) -> Interval | None:
    """Distribution-free confidence interval of the median, from order statistics.

    The interval [x_(l), x_(u)] of the sorted samples contains the median with probability 1 - 2 B(l - 1; n, 1/2), where
    B is the binomial distribution function (Conover, Practical Nonparametric Statistics, section 3.2; Hoefler & Belli
    2015, rule 8). ``effective`` is the effective sample size: the distance of the ranks from the middle is widened by
    sqrt(n / effective). ``None`` if there are too few samples for this confidence level (below six at 95%).
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


MODES_SAMPLES, MODE_SHARE, MODE_GAP, MODE_RATIO = 20, 0.15, 2.0, 1.05
"""Two modes are looked for in so many samples or more; each has at least this share of them; the gap between them is at
least so many times the spread within either (from its first to its third quartile), and their ratio at least this."""


def two_modes(samples: ArrayLike) -> Interval | None:
    """The medians of two groups into which positive samples fall, with nothing in between; ``None`` if they are one.

    The groups are separated at the widest gap of the logarithms. A skewed or heavy-tailed distribution has no such gap
    in its middle.
    """
    ordered = np.sort(np.log(np.asarray(samples, dtype=np.float64)))
    n = len(ordered)
    first = math.ceil(MODE_SHARE * n)
    if n < MODES_SAMPLES:
        return None
    gaps = np.diff(ordered)[first - 1 : n - first]
    widest = int(np.argmax(gaps)) + first
    low, high = ordered[:widest], ordered[widest:]
    spread = max(float(np.subtract(*np.percentile(side, [75, 25]))) for side in (low, high))
    if gaps.max() < max(MODE_GAP * spread, math.log(MODE_RATIO)):
        return None
    return math.exp(float(np.median(low))), math.exp(float(np.median(high)))


@cache
def interval_rank(n: int, confidence: float) -> int | None:
    """The largest rank l (from 1) for which [x_(l), x_(n+1-l)] contains the median with at least this confidence.

    ``None`` if even the interval from the smallest to the largest of n samples does not.
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
    """The effective sample size for the median, from the autocorrelation of [x < median].

    n / (1 + 2 sum of rho_k): this many independent samples would carry the same information. The sum includes the lags
    before the first one whose autocorrelation does not exceed its standard error, 1 / sqrt(n), and after them a
    geometric tail, as a first-order autoregressive process has. Each estimate is corrected for its bias of about -1/n.
    If even the first lag is not significant, the samples count as independent. Never above n, never below 1.
    """
    values = np.asarray(samples, dtype=np.float64)
    n = len(values)
    below = (values < np.median(values)).astype(np.float64)
    below -= below.mean()
    variance = float(below @ below)
    if n < 8 or variance == 0.0:
        return float(n)

    def rho(lag: int) -> float:
        return float(below[:-lag] @ below[lag:]) / variance + 1.0 / n

    clear: list[float] = []
    while len(clear) < n // 2 and (now := rho(len(clear) + 1)) > CLEAR / math.sqrt(n):
        clear.append(now)
    if not clear:
        return float(n)
    tail = clear[-1] * _geometric(_decay(clear, rho(2)))
    return max(1.0, n / (1.0 + 2.0 * (sum(clear) + tail)))


def _decay(clear: Sequence[float], second: float) -> float:
    """The factor from lag to lag. From few lags the larger of two estimates, as too small a factor narrows the
    interval."""
    if len(clear) <= 2:
        return max(clear[0], math.sqrt(max(0.0, second)))
    return float((clear[-1] / clear[0]) ** (1.0 / (len(clear) - 1)))


def _geometric(factor: float) -> float:
    factor = min(0.95, factor)
    return factor / (1.0 - factor)


def expected_half_width(samples: ArrayLike, confidence: float, effective: float, reach: float = 2.5) -> float:
    """A less noisy estimate of the half-width of the median's interval than the interval itself gives.

    It takes order statistics that are ``reach`` times as far from the middle as those of the interval, and scales half
    their distance back. This averages more spacings, at the price of a small bias where the density is not flat. For
    forecasts, not for reporting. Needs at least six samples.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    middle = (n + 1) / 2
    distance = (middle - (interval_rank(n, confidence) or 1)) * math.sqrt(n / effective)
    lower = max(1, math.floor(middle - reach * distance))
    return float(ordered[n - lower] - ordered[lower - 1]) / 2.0 * distance / (middle - lower)


def ratio_interval(a: float, a_interval: Interval, b: float, b_interval: Interval) -> Interval:
    """Confidence interval of R = a / b from the intervals of two independent medians of positive numbers.

    exp(ln R +/- sqrt(h_a^2 + h_b^2)), where h is half the width of the interval of the logarithm. Both intervals must
    have the same confidence level, which is then also that of the result.
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
