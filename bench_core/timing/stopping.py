"""When to stop sampling: an interface of three methods, and the rule that the suite uses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from bench_core.core import stats

PILOT = 32
"""Samples before the first look: with fewer, correlated samples cannot be distinguished from independent ones."""
MIN_PILOT = 8
"""Samples before the first look at slow work, at least."""


class StoppingRule(Protocol):
    """Decides how many samples are taken."""

    def pilot(self, affordable: int) -> int:
        """How many samples to take before the first look, given how many the time budget allows."""
        ...

    def more(self, samples: Sequence[float], affordable: int) -> int:
        """How many further samples to take after a look at the present ones (seconds); 0 stops."""
        ...

    def reasons(self) -> tuple[str, ...]:
        """The reason for each decision, the last one for stopping."""
        ...


class IntervalTarget:
    """Stops when the confidence interval of the median is narrow enough; it looks only a few planned times.

    A look computes the half-width of the median's interval, widened for correlation. If the half-width is above the
    target, the rule forecasts the number of samples needed (the width shrinks with the square root of their number). It
    plans the next look at two thirds of the forecast, but with at least 5% and at most 100% more samples than now:
    forecasts from few samples are poor, and an early look costs nothing while a late one costs samples.

    The confidence level is not corrected for the number of looks. The rule stops on the width, which carries almost no
    information about where the interval is: sequential intervals of fixed width keep their level as the width shrinks
    (Chow & Robbins, Annals of Mathematical Statistics 1965). The simulations in ``benchmarks/proofs`` show the level
    for the few samples and unusual distributions of timing; a Bonferroni correction over four looks would take 1.6
    times the samples.
    """

    SHARE_OF_FORECAST = 0.65
    MIN_STEP, MAX_STEP = 0.05, 1.0

    def __init__(self, rel_ci: float, confidence: float) -> None:
        self.rel_ci, self.confidence = rel_ci, confidence
        self._reasons: list[str] = []

    def pilot(self, affordable: int) -> int:
        """32 samples, or a quarter of the affordable ones if that is fewer, but at least eight."""
        wanted = max(MIN_PILOT, min(PILOT, affordable // 4))
        self._reasons.append(f"pilot of {wanted}, of {affordable} samples that the time allows")
        return wanted

    def more(self, samples: Sequence[float], affordable: int) -> int:
        """Stop at the target or at the time cap; otherwise continue toward the forecast number."""
        n, center = len(samples), stats.median(samples)
        effective = stats.effective_size(samples)
        width = stats.relative_half_width(center, stats.median_interval(samples, self.confidence, effective))
        reached = "no interval" if width is None else f"half-width {_percent(width)}"
        look = f"look at {n} ({effective:.0f} effective): {reached}"
        if width is not None and width <= self.rel_ci:
            return self._decide(0, f"{look}, target of {_percent(self.rel_ci)} met")
        if affordable < 1:
            return self._decide(0, f"{look}, time cap reached before the target of {_percent(self.rel_ci)}")
        wider = stats.expected_half_width(samples, self.confidence, effective) / center / self.rel_ci
        needed = math.ceil(n * wider**2)
        step = min(max(self.SHARE_OF_FORECAST * needed - n, self.MIN_STEP * n), self.MAX_STEP * n)
        more = max(1, min(affordable, math.ceil(step)))
        return self._decide(more, f"{look}, forecast {needed} samples, {more} more")

    def reasons(self) -> tuple[str, ...]:
        """Every decision with its numbers."""
        return tuple(self._reasons)

    def _decide(self, more: int, reason: str) -> int:
        self._reasons.append(reason)
        return more


def _percent(width: float) -> str:
    return f"{100 * width:.2g}%"
