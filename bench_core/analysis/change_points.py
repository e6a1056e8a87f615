"""Where the level of a series changes: the decision of ``bench-core history``, as a pure function.

docs/history.md explains the method and states its false alarms and power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bench_core.analysis import thresholds
from bench_core.analysis.levels import CONFIRMED, Levels, Trace
from bench_core.core.errors import BenchError
from bench_core.core.stats import Floats, Interval

MIN_VALUES = 2 * CONFIRMED
"""Shorter series have no change points."""

_FLOOR = 0.05  # noise is at least this share of the least effect, for series without any
_EXPONENT = 700.0  # exp of more is infinite


@dataclass(frozen=True)
class ChangePoint:
    """A step from one level to another.

    ``index`` is that of the first value of the new level. ``before`` and ``after`` are the two levels in the unit of
    the values, ``ratio`` is after / before, and ``interval`` its 95% confidence interval. ``confidence`` is one minus
    the share of series without a step in which one as clear as this is reported; it is at most 0.999.

    ``recovers`` is the index of the later step with which the level is back at, or beyond, the level before; ``None``
    if it is not. A ``candidate`` has too few values after it to be confirmed: it may be a run of outliers.
    """

    index: int
    ratio: float
    interval: Interval
    confidence: float
    before: float
    after: float
    recovers: int | None = None
    candidate: bool = False

    @property
    def magnitude(self) -> float:
        """The size of the step whichever its direction: 0.25 for a ratio of 1.25 or 0.8."""
        return max(self.ratio, 1.0 / self.ratio) - 1.0


def change_points(values: ArrayLike, *, false_alarm: float = 0.01, min_effect: float = 0.02) -> tuple[ChangePoint, ...]:
    """The steps of a series of positive values in order of time, oldest first.

    ``false_alarm`` is the share of series without a step in which one is reported, from 0.001 to 0.05. Steps of less
    than ``min_effect`` (0.02 is 2%) are not reported. Series of fewer than 10 values have no change points.

    Raises ``BenchError`` (a ``ValueError``) for values that are not positive and finite, or not one series, and for
    options outside their range.
    """
    x = _logarithms(values)
    threshold = thresholds.threshold(len(x), false_alarm)
    if not 0.0 < min_effect < 1.0:
        raise BenchError(f"min_effect is {min_effect}; it must be above 0 and below 1")
    if len(x) < MIN_VALUES:
        return ()
    center = float(np.median(x))
    least = math.log1p(min_effect)
    trace = Trace.of(x - center, _FLOOR * least)
    levels = trace.segment()
    while levels.cuts:
        weakest, smallest = int(levels.evidence.argmin()), int(np.abs(levels.steps).argmin())
        if levels.evidence[weakest] < threshold:
            levels = trace.without(levels, weakest)
        elif abs(levels.steps[smallest]) < least:
            levels = trace.without(levels, smallest)
        else:
            break
    return tuple(_change_point(levels, i, center, least) for i in range(len(levels.cuts)))


def strongest_alarm(values: ArrayLike, min_effect: float = 0.02) -> float:
    """The greatest threshold at which steps of any size would be reported, and not as candidates only; 0 if none is.

    The thresholds are quantiles of this number over series without a step.
    """
    x = _logarithms(values)
    trace = Trace.of(x - np.median(x), _FLOOR * math.log1p(min_effect))
    levels, strongest = trace.segment(), 0.0
    while levels.cuts and levels.cuts[0] <= len(x) - CONFIRMED:
        weakest = int(levels.evidence.argmin())
        strongest = max(strongest, float(levels.evidence[weakest]))
        levels = trace.without(levels, weakest)
    return strongest


def _logarithms(values: ArrayLike) -> Floats:
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1:
        raise BenchError(f"values have {series.ndim} dimensions; change_points takes one series")
    bad = np.flatnonzero(~((series > 0.0) & np.isfinite(series)))
    if len(bad):
        raise BenchError(f"value {bad[0]} is {series[bad[0]]}; leave out values that are not positive and finite")
    return np.log(series)


def _change_point(levels: Levels, i: int, center: float, least: float) -> ChangePoint:
    step, error = float(levels.steps[i]), float(levels.errors[i])
    half = _student(0.95, levels.freedom) * error
    return ChangePoint(
        index=levels.cuts[i],
        ratio=_exp(step),
        interval=(_exp(step - half), _exp(step + half)),
        confidence=thresholds.confidence(levels.size, float(levels.evidence[i])),
        before=_exp(center + levels.values[i]),
        after=_exp(center + levels.values[i + 1]),
        recovers=_recovery(levels, i, least),
        candidate=_is_candidate(levels, i),
    )


def _is_candidate(levels: Levels, i: int) -> bool:
    return levels.cuts[i] > levels.size - CONFIRMED


def _recovery(levels: Levels, i: int, least: float) -> int | None:
    """The later cut from which on the level is not clearly, or by less than the least effect, on the step's side."""
    step, covariance = float(levels.steps[i]), levels.covariance
    for j in range(i + 1, len(levels.cuts)):
        rest = float(levels.values[j + 1] - levels.values[i]) * math.copysign(1.0, step)
        error = math.sqrt(covariance[i, i] + covariance[j + 1, j + 1] - 2.0 * covariance[i, j + 1])
        if rest <= min(abs(step) / 2.0, max(least, 2.0 * error)) and not _is_candidate(levels, j):
            return levels.cuts[j]
    return None


def _student(confidence: float, freedom: int) -> float:
    """The two-sided quantile of Student's t (Abramowitz & Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    third = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _exp(logarithm: float) -> float:
    return math.exp(min(max(logarithm, -_EXPONENT), _EXPONENT))
