"""Simulated timings, and on the same data our stopping rule, an oracle and the rules of other tools.

A sample is a number here, and its time is its value: the time to a target is the sum of the samples taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from bench_core.core import stats
from bench_core.timing.stopping import IntervalTarget

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
CAP = 100_000


def _normal(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(1.0, 0.05, n)


def _noisy(rng: np.random.Generator, n: int) -> Floats:
    return rng.normal(1.0, 0.1, n)


def _lognormal(rng: np.random.Generator, n: int) -> Floats:
    return rng.lognormal(0.0, 0.1, n)


def _modes(rng: np.random.Generator, n: int) -> Floats:
    return np.where(rng.random(n) < 0.7, 1.0, 1.3) * rng.normal(1.0, 0.05, n)


def _spikes(rng: np.random.Generator, n: int) -> Floats:
    return np.where(rng.random(n) < 0.02, 10.0, 1.0) * rng.normal(1.0, 0.05, n)


def _autoregressive(rho: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> Floats:
        noise = rng.normal(0.0, 0.05, n)
        noise[1:] *= math.sqrt(1.0 - rho**2)
        return 1.0 + lfilter([1.0], [1.0, -rho], noise)

    return draw


INDEPENDENT: dict[str, Draw] = {
    "normal 5%": _normal,
    "normal 10%": _noisy,
    "lognormal 10%": _lognormal,
    "two modes 70/30": _modes,
    "2% spikes of 10x": _spikes,
}
CORRELATED: dict[str, Draw] = {"AR(1) rho .3": _autoregressive(0.3), "AR(1) rho .5": _autoregressive(0.5)}


@dataclass(frozen=True)
class Outcome:
    """One simulated run: samples taken, their sum (the time), and the interval at the end."""

    count: int
    time: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """The half-width relative to the center."""
        return (self.high - self.low) / (self.high + self.low)


def ours(samples: Floats, rel: float) -> Outcome:
    """Our rule on these samples, with our interval."""
    rule = IntervalTarget(rel, 0.95)
    n = rule.pilot(CAP)
    while more := rule.more(cast(Sequence[float], samples[:n]), len(samples) - n):
        n += more
    taken = samples[:n]
    interval = stats.median_interval(taken, 0.95, stats.effective_size(taken))
    assert interval is not None, "a pilot has enough samples for an interval"
    low, high = interval
    return Outcome(n, float(taken.sum()), low, high)


def precision_mode(samples: Floats, rel: float, confidence: float = 0.95, min_rounds: int = 5) -> Outcome:
    """pytest-benchmark 5.3 with ``--benchmark-precision``: until z s / sqrt(n) is at most ``rel`` of the mean."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    n = np.arange(1, len(samples) + 1)
    mean = np.cumsum(samples) / n
    variance = np.maximum(0.0, np.cumsum(samples**2) - n * mean**2) / np.maximum(1, n - 1)
    margin = z * np.sqrt(variance / n)
    stop = np.flatnonzero((margin <= rel * mean) & (n >= min_rounds))
    last = int(stop[0]) if len(stop) else len(samples) - 1
    return Outcome(last + 1, float(samples[: last + 1].sum()), mean[last] - margin[last], mean[last] + margin[last])


def adaptive_autorange(samples: Floats, threshold: float, most: int) -> int:
    """torch's ``adaptive_autorange``: until the IQR of more than three samples is below ``threshold`` of the median, or
    until the time is up after ``most`` samples (``max_run_time``). Returns the number of samples. From 200 samples on,
    the rule is evaluated only once per 5% more samples.
    """
    n = 4
    while n < most:
        low, center, high = np.percentile(samples[:n], [25, 50, 75])
        if (high - low) / center < threshold:
            return n
        n += 1 if n < 200 else n // 20
    return most


def to_target(samples: Floats, begin: int, rel: float) -> int:
    """The samples that a tool needs if it stopped after ``begin`` and continues, by half as many each time, until the
    relative half-width of our interval on its samples is at most ``rel``."""
    n = begin
    while n < len(samples):
        taken = samples[:n]
        interval = stats.median_interval(taken, 0.95, stats.effective_size(taken))
        width = stats.relative_half_width(stats.median(taken), interval)
        if width is not None and width <= rel:
            break
        n = min(len(samples), math.ceil(1.5 * n))
    return n


def quantiles(draw: Draw, seed: int = 0) -> Callable[[float], float]:
    """The quantile function of a distribution, from four million samples."""
    ordered = np.sort(draw(np.random.default_rng(seed), 4_000_000))
    return lambda p: float(ordered[min(len(ordered) - 1, int(p * len(ordered)))])


def oracle_count(quantile: Callable[[float], float], rel: float) -> int:
    """The fewest samples whose 95% interval of the median has a half-width of ``rel`` on average: the oracle."""
    for n in range(6, CAP):
        rank = stats.interval_rank(n, 0.95)
        if rank and (quantile((n + 1 - rank) / (n + 1)) - quantile(rank / (n + 1))) / 2.0 <= rel * quantile(0.5):
            return n
    raise ValueError(f"no number of samples below {CAP} reaches {rel}")


def runs(draw: Draw, count: int, length: int = 20_000, seed: int = 1) -> Iterator[Floats]:
    """Independent runs of samples of a distribution."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield draw(rng, length)


Rule = Callable[[Floats, float], Outcome]


@dataclass(frozen=True)
class Coverage:
    """How a rule did over many runs; ``covered`` is the share of intervals that contain the true value."""

    covered: float
    count: float
    width: float


def coverage(
    draw: Draw, rel: float, repeats: int, rule: Rule = ours, center: str = "median", seed: int = 1
) -> Coverage:
    """Run a rule many times; ``center`` says which true value its interval should contain."""
    big = draw(np.random.default_rng(0), 4_000_000)
    truth = float(np.median(big) if center == "median" else big.mean())
    outcomes = [rule(samples, rel) for samples in runs(draw, repeats, seed=seed)]
    return Coverage(
        covered=float(np.mean([o.low <= truth <= o.high for o in outcomes])),
        count=float(np.mean([o.count for o in outcomes])),
        width=float(np.mean([o.width for o in outcomes])),
    )
