"""The rules by which other tools call a benchmark slower, on the pairs that a gate measured.

Each gets all blocks of as many processes as the gate itself took. None of the tools lets two processes take turns as
the gate's pairs do: by default they measure one version after the other. A rule's score is compared with its
threshold: the tool's default, or one that is tuned on other pairs until at most 1% of gates of identical code raise an
alarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, norm, ttest_ind

from bench_core.core.pairs import Figures, Pair

Floats = NDArray[np.float64]
Score = Callable[[Sequence[Pair]], float]


@dataclass(frozen=True)
class Rule:
    """How a tool decides: above ``default`` its score means slower, below ``-default`` faster."""

    name: str
    default: float
    score: Score


def _sides(pairs: Sequence[Pair], of: Callable[[Figures], Sequence[float]]) -> tuple[Floats, Floats]:
    """The samples of base and of head."""
    base, head = ([of(pair.base) for pair in pairs], [of(pair.head) for pair in pairs])
    return np.concatenate(base), np.concatenate(head)


def _blocks(figures: Figures) -> Sequence[float]:
    return figures.times


def _mean(figures: Figures) -> Sequence[float]:
    return (float(np.mean(figures.times)),)


def ratio_of(statistic: Callable[[Floats], float]) -> Score:
    """The log-ratio of a statistic of all samples, as ``pytest-benchmark``'s --benchmark-compare-fail compares."""

    def score(pairs: Sequence[Pair]) -> float:
        base, head = _sides(pairs, _blocks)
        return math.log(statistic(head) / statistic(base))

    return score


def u_test(of: Callable[[Figures], Sequence[float]]) -> Score:
    """The two-sided U test (Mann and Whitney 1947): the normal quantile of its probability, positive if head is
    slower."""

    def score(pairs: Sequence[Pair]) -> float:
        base, head = _sides(pairs, of)
        return math.copysign(_quantile(_u_probability(base, head)), float(np.median(head) - np.median(base)))

    return score


def asv_continuous(pairs: Sequence[Pair]) -> float:
    """The log-ratio of the medians if asv's U test calls them different (at .002), else 0."""
    base, head = _sides(pairs, _blocks)
    different = _u_probability(base, head) < 0.002
    return math.log(float(np.median(head) / np.median(base))) if different else 0.0


def t_test(pairs: Sequence[Pair]) -> float:
    """Student's two-sided t-test of the means, as pyperf's compare_to, on the same scale as the U test."""
    base, head = _sides(pairs, _blocks)
    result = ttest_ind(head, base)
    return math.copysign(_quantile(float(result.pvalue)), float(result.statistic))


def _u_probability(base: Floats, head: Floats) -> float:
    return float(mannwhitneyu(base, head, alternative="two-sided").pvalue)


def _quantile(probability: float) -> float:
    """The normal quantile beyond which, on both sides together, there is this probability."""
    return float(norm.isf(max(probability, 1e-300) / 2.0))


FIVE_PERCENT, AT_5_PERCENT = math.log(1.05), float(norm.isf(0.025))

RULES = (
    Rule("pytest-benchmark, min:5%", FIVE_PERCENT, ratio_of(lambda samples: float(np.min(samples)))),
    Rule("pytest-benchmark, median:5%", FIVE_PERCENT, ratio_of(lambda samples: float(np.median(samples)))),
    Rule("pytest-benchmark, mean:5%", FIVE_PERCENT, ratio_of(lambda samples: float(np.mean(samples)))),
    Rule("U test on raw samples, 5%", AT_5_PERCENT, u_test(_blocks)),
    Rule("asv continuous, factor 1.1", math.log(1.1), asv_continuous),
    Rule("pyperf compare_to, t-test at 95%", AT_5_PERCENT, t_test),
    Rule("google/benchmark, U test of repetitions", AT_5_PERCENT, u_test(_mean)),
)
"""pytest-benchmark has no threshold of its own; 5% is usual. A repetition of google/benchmark is a process here."""
