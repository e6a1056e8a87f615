"""A series as piecewise constant levels plus autocorrelated noise, estimated so that outliers hardly count.

The noise is a first-order autoregressive process, e_t = rho e_(t-1) + innovation. Everything here is a pure function of
logarithms; ``change_points`` decides which steps between levels are real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench_core.analysis import robust
from bench_core.core.stats import Floats

CONFIRMED = 5
"""A level of at least this many values is a level, not a run of outliers."""
CANDIDATE = 3
"""The last level may be this short."""

_CLEAN = 3.0  # where outliers are clipped before levels are known, in standard deviations
_OUTLIERS = 2  # so many leave no trace
_DIFFERENCES = 6  # that have an outlier or the step at one end: two with each outlier, and two at lag 2 with the step
_MAX_RHO = 0.95
_ROUNDS = 3  # of estimating levels, scale and rho in turn; more change the levels by less than 1% of their error
_SHORT = 2.0  # short levels need more evidence: with heavy tails their estimates are far from normal


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels of a series of logarithms between the cuts; a cut is the index of the first value of a level.

    ``values`` are the levels, ``covariance`` theirs; ``rho`` and ``innovation`` (a standard deviation) the noise.
    ``support`` is, for each cut, how far the third most distant value of a level is beyond the other level: of the
    step that much does not rest on one outlier or two.
    """

    size: int
    cuts: tuple[int, ...]
    values: Floats
    covariance: Floats
    rho: float
    innovation: float
    support: Floats

    @cached_property
    def steps(self) -> Floats:
        """The difference at each cut."""
        return np.diff(self.values)

    @cached_property
    def errors(self) -> Floats:
        """The standard error of each step."""
        variances, next_ones = np.diag(self.covariance), np.diag(self.covariance, 1)
        errors: Floats = np.sqrt(variances[1:] + variances[:-1] - 2.0 * next_ones)
        return errors

    @cached_property
    def evidence(self) -> Floats:
        """Each step, as far as three values support it, in standard errors; reduced where the shorter of its two levels
        has few values."""
        lengths = np.diff([0, *self.cuts, self.size])
        penalties = 1.0 + _SHORT / np.minimum(lengths[1:], lengths[:-1])
        evidence: Floats = np.minimum(np.abs(self.steps), self.support) / self.errors / penalties
        return evidence

    @property
    def freedom(self) -> int:
        """The degrees of freedom of the standard errors."""
        return max(1, self.size - len(self.values) - 1)


@dataclass(frozen=True, eq=False)
class Trace:
    """A series of logarithms, and what is known of it before its levels are: a copy without outliers, and its noise.

    ``floor`` is the least standard deviation that noise is taken to have, so that constant values have an error too.
    """

    x: Floats
    clean: Floats
    rho: float
    sigma: float
    floor: float

    @classmethod
    def of(cls, x: Floats, floor: float) -> Trace:
        """Estimate the noise from differences, to which a step contributes only one value (Chakar et al. 2017).

        Differences at lag k have the variance 2 sigma^2 (1 - rho^k), so those at lags 2 and 1 have the ratio 1 + rho.
        """
        first, second = (robust.standard_deviation(x[lag:] - x[:-lag], _DIFFERENCES) for lag in (1, 2))
        rho = min(max((second / first) ** 2 - 1.0, 0.0), _MAX_RHO) if first > 0.0 else 0.0
        sigma = max(floor, first / math.sqrt(2.0 * (1.0 - rho)))
        smooth = robust.running_median(x)
        return cls(x, np.clip(x, smooth - _CLEAN * sigma, smooth + _CLEAN * sigma), rho, sigma, floor)

    def segment(self) -> Levels:
        """The levels between more cuts than there are steps, for ``without`` to remove."""
        return self._fit(_partition(self.clean, self.rho, self.sigma))

    def without(self, levels: Levels, index: int) -> Levels:
        """The levels when one cut is removed."""
        return self._fit(levels.cuts[:index] + levels.cuts[index + 1 :])

    def _fit(self, cuts: tuple[int, ...]) -> Levels:
        levels = self._estimate(cuts)
        moved = _relocate(self.clean, levels)
        return levels if moved == cuts else self._estimate(moved)

    def _estimate(self, cuts: tuple[int, ...]) -> Levels:
        """Generalized least squares of pseudo-values: levels plus residuals without outliers (Huber 1981, chapter 7).

        rho is the residuals' autocorrelation at lag 1, corrected for its bias, -(2 rho + levels (1 + rho)) / n.
        """
        n, starts = len(self.x), np.array([0, *cuts])
        count = len(starts)
        lengths = np.diff(np.append(starts, n))
        values, rho = _solve(self.clean, starts, lengths, self.rho)[0], self.rho
        for _ in range(_ROUNDS):
            level = np.repeat(values, lengths)
            residuals = self.x - level
            sigma = max(self.floor, robust.standard_deviation(residuals, _OUTLIERS) * math.sqrt(n / max(1, n - count)))
            clipped = sigma * robust.hampel(residuals / sigma)
            rho = _debiased(robust.autocorrelation(clipped), n, count)
            values, inverse = _solve(level + clipped, starts, lengths, rho)
        rest = level + clipped - np.repeat(values, lengths)
        squares = float(np.sum((rest[1:] - rho * rest[:-1]) ** 2) + (1.0 - rho**2) * rest[0] ** 2)
        inside = float(np.mean(np.abs(residuals) <= robust.CLIP * sigma))
        innovation = math.sqrt(squares / max(1, n - count - 1)) / max(0.5, inside)
        innovation = max(innovation, self.floor * math.sqrt(1.0 - rho**2))
        support = _support(np.split(self.x, cuts), values)
        return Levels(n, cuts, values, innovation**2 * inverse, rho, innovation, support)


def _debiased(rho: float, n: int, count: int) -> float:
    freedom = n - 2 - count
    return min(max((n * rho + count) / freedom, 0.0), _MAX_RHO) if freedom > 0 else _MAX_RHO


def _support(parts: list[Floats], values: Floats) -> Floats:
    sides = np.sign(np.diff(values))
    beyond = [_third(side * (right - level)) for side, right, level in zip(sides, parts[1:], values, strict=False)]
    below = [_third(side * (level - left)) for side, left, level in zip(sides, parts, values[1:], strict=False)]
    return np.maximum(0.0, np.minimum(beyond, below))


def _third(distances: Floats) -> float:
    """The third largest."""
    return float(np.partition(distances, -3)[-3])


def _solve(y: Floats, starts: NDArray[np.intp], lengths: NDArray[np.intp], rho: float) -> tuple[Floats, Floats]:
    """Levels by generalized least squares, and their covariance for a unit innovation.

    The inverse covariance of the noise is tridiagonal, and so is the matrix of the normal equations.
    """
    weighted = (1.0 + rho**2) * y
    weighted[1:] -= rho * y[:-1]
    weighted[:-1] -= rho * y[1:]
    weighted[[0, -1]] -= rho**2 * y[[0, -1]]
    diagonal = 1.0 + rho**2 + (lengths - 1) * (1.0 - rho) ** 2
    diagonal[0] -= rho**2
    diagonal[-1] -= rho**2
    beside = np.full(len(starts) - 1, -rho)
    inverse = np.linalg.inv(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return inverse @ np.add.reduceat(weighted, starts), inverse


def _partition(x: Floats, rho: float, sigma: float) -> tuple[int, ...]:
    """The cuts of the piecewise constant fit of least cost: squares in units of the innovation's variance, plus 2 ln(n)
    per cut (optimal partitioning, Jackson et al. 2005).

    Noise is taken to be independent between levels: then a level's squares follow from cumulative sums.
    """
    n, gain, edge = len(x), 1.0 - rho, 1.0 - rho**2
    penalty = 2.0 * math.log(n) * sigma**2 * edge
    innovations = np.concatenate(([0.0], x[1:] - rho * x[:-1]))
    sums = gain * np.cumsum(innovations)  # up to and including each value
    begin = edge * x - sums
    information = edge + gain**2 * np.arange(-1.0, n)  # on a level, by its length
    first = edge * x**2 - innovations**2
    best, before = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=int)
    best[0] = 0.0
    base = np.full(n, np.inf)  # what levels cost that begin at each value, without what their length adds
    base[0] = first[0]
    for end in [*range(CONFIRMED, n - CANDIDATE + 1), n]:
        least = CONFIRMED if end < n else CANDIDATE
        last = end - least + 1
        total = begin[:last] + sums[end - 1]
        cost = base[:last] - total * total / information[end : least - 1 : -1]
        before[end] = cost.argmin()
        best[end] = cost[before[end]]
        if end < n:
            base[end] = best[end] + penalty + first[end]
    cuts = [int(before[n])]
    while cuts[-1] > 0:
        cuts.append(int(before[cuts[-1]]))
    return tuple(cuts[-2::-1])


def _relocate(x: Floats, levels: Levels) -> tuple[int, ...]:
    """Move each cut between its neighbors to where the innovations cost least (Huber's loss, exact likelihood).

    The innovation at the cut itself has both levels in it and shows the place of a step best; ``_partition`` lacks it.
    """
    rho, clip, cuts = levels.rho, _CLEAN * levels.innovation, list(levels.cuts)
    for i, (before, after) in enumerate(zip(levels.values, levels.values[1:], strict=False)):
        low = cuts[i - 1] if i else 0
        high, least = (cuts[i + 1], CONFIRMED) if i + 1 < len(cuts) else (len(x), CANDIDATE)
        now, previous = x[low + 1 : high], x[low : high - 1]
        left = np.cumsum(_huber(now - before - rho * (previous - before), clip))
        right = np.cumsum(_huber(now - after - rho * (previous - after), clip))
        across = _huber(now - after - rho * (previous - before), clip)
        at = np.arange(CONFIRMED - 1, high - low - least)  # the cut's place in these arrays
        if len(at):
            cuts[i] = low + 1 + int(at[(left[at - 1] + across[at] - right[at]).argmin()])
    return tuple(cuts)


def _huber(innovations: Floats, clip: float) -> Floats:
    size = np.abs(innovations)
    return np.where(size <= clip, size**2, clip * (2.0 * size - clip))
