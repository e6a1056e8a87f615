"""When each case runs and for how long, so that a sweep ends within its budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from bench_core.core.records import Record
from bench_core.timing.sampling import FEW
from bench_core.workloads.kit.definition import Workload

HEAVY_FACTOR = 8
"""Heavy workloads get this many times the seconds of others: one of their calls takes longer than a fifth of a second,
and a confidence interval needs six samples."""
MEASURE_FACTOR = 2.5
"""Seconds that a case takes per second of samples: warm-up may take as long as the samples, latency and the cross-check
a quarter of it each."""
MIN_CALLS, FEW_CALLS = 6, 4
"""The fewest calls that a measurement makes, however short its time limit: fewer if there is no time to warm up."""
MIN_LIMIT = 0.05
"""Seconds of samples that a first figure gets at least."""
FIRST_SHARE = 0.7
"""First figures are planned to take this share of the budget; estimates of the first run on a machine are poor."""
FORECAST_AT = 0.1
"""The share of the way at which the time left is noted, to be compared with the truth at the end."""
PRIOR_SECONDS = 10.0
"""The pace counts as if so many seconds had taken as long as expected, so that the first case does not decide it."""


def time_limit(workload: Workload, max_time: float) -> float:
    """Seconds of samples that a case of this workload may take."""
    return max_time * HEAVY_FACTOR if workload.heavy else max_time


@dataclass(frozen=True)
class Cost:
    """What a case is expected to take: ``fixed`` seconds (build, parity check), and the seconds of a ``call``."""

    fixed: float = 0.5
    call: float = 0.002

    @classmethod
    def of(cls, record: Record) -> Cost:
        """The cost of a case that was measured before."""
        return cls(max(0.0, record.wall_seconds - record.contention.seconds), record.timing.median)

    def seconds(self, limit: float) -> float:
        """Seconds that the case takes with this many seconds of samples."""
        fewest = FEW_CALLS if self.call > FEW * limit else MIN_CALLS
        return self.fixed + max(fewest * self.call, MEASURE_FACTOR * limit)

    @property
    def least(self) -> float:
        """Seconds that the case takes at least."""
        return self.seconds(0.0)


UNKNOWN, UNKNOWN_HEAVY = Cost(), Cost(fixed=8.0, call=0.5)
"""What a case is expected to take on a machine without a stored run."""


@dataclass(frozen=True)
class Planned:
    """A case to come: its expected cost, and the seconds of samples that it gets where there is no lack of time."""

    cost: Cost
    limit: float

    @property
    def seconds(self) -> float:
        """Seconds that the case is expected to take without a lack of time."""
        return self.cost.seconds(self.limit)


def process_clock() -> Callable[[], float]:
    """A clock of the seconds since this process was started: a budget includes the imports."""
    started = psutil.Process().create_time()
    return lambda: time.time() - started


class Schedule:
    """The order of the cases, how long each may be measured, and the time left.

    ``others`` are the expected seconds of what is not a case of a workload: studies. ``budget`` is in seconds;
    ``clock`` gives the seconds since the run was started, by default those of ``process_clock``.
    """

    def __init__(
        self,
        cases: Mapping[str, Planned],
        others: Mapping[str, float],
        budget: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.budget = budget
        self.total = len(cases) + len(others)
        self.done = 0
        self._cases, self._others = dict(cases), dict(others)
        self._clock = clock or process_clock()
        self._begun = self._clock()
        self._expected_so_far = 0.0
        self._to_refine = 0.0
        self._forecast: tuple[float, float] | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the run was started."""
        return self._clock()

    @property
    def budget_left(self) -> float:
        """Seconds that are left of the budget; infinite without one."""
        return math.inf if self.budget is None else self.budget - self.elapsed

    @property
    def pace(self) -> float:
        """The seconds that were taken per second expected so far."""
        return (self.elapsed - self._begun + PRIOR_SECONDS) / (self._expected_so_far + PRIOR_SECONDS)

    def knows(self, name: str) -> bool:
        """Whether a case of this name is still to come."""
        return name in self._cases

    def weight(self, name: str) -> float:
        """By what cases are ordered: within a budget the cheapest come first, so that the heaviest are left out."""
        return self._cases[name].cost.least if self.budget is not None and name in self._cases else 0.0

    def limit(self, name: str) -> float:
        """Seconds of samples for the first figure of a case.

        All that the case may have if all cases can have that; else as much as lets the first figures of all end within
        their share of the budget.
        """
        return min(self._cases[name].limit, self._common_limit())

    def _common_limit(self) -> float:
        """The largest limit at which the first figures of the cases left are expected to end within their share."""
        if self.budget is None:
            return math.inf
        available = self._begun + FIRST_SHARE * (self.budget - self._begun) - self.elapsed - sum(self._others.values())
        low, high = MIN_LIMIT, max((case.limit for case in self._cases.values()), default=MIN_LIMIT)
        if self._expected(high) <= available:
            return high
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self._expected(middle) <= available else (low, middle)
        return low

    def _expected(self, limit: float) -> float:
        """Seconds that the cases left are expected to take at the pace so far with at most this limit."""
        return self.pace * sum(case.cost.seconds(min(limit, case.limit)) for case in self._cases.values())

    def fits(self, name: str) -> bool:
        """Whether a case or study is expected to end within the budget if it begins now."""
        case = self._cases.get(name)
        return self.pace * (case.cost.least if case else self._others.get(name, 0.0)) <= self.budget_left

    def note_done(self, name: str, limit: float | None = None, *, again: bool = False) -> None:
        """Count a case or study as done. ``limit`` is the one it had, ``again`` whether it is to be measured again."""
        self.done += 1
        case, other = self._cases.pop(name, None), self._others.pop(name, 0.0)
        if case is None:
            self._expected_so_far += other
            return
        self._expected_so_far += case.cost.seconds(case.limit if limit is None else limit)
        if again:
            self._to_refine += case.seconds

    def note_taken_over(self, name: str) -> None:
        """Count a case or study as done whose result an earlier process has made: it says nothing of the pace."""
        self.done += 1
        self._cases.pop(name, None)
        self._others.pop(name, None)

    def left(self) -> float:
        """Seconds that the rest is expected to take, refinement included."""
        first = self._expected(self._common_limit()) + sum(self._others.values())
        refinement = self._to_refine * self.total / self.done if self.done and self.budget is not None else 0.0
        left = max(0.0, min(self.budget_left, first + refinement))
        if self._forecast is None and self.elapsed >= FORECAST_AT * (self.elapsed + left):
            self._forecast = (self.elapsed, left)
        return left

    @property
    def forecast(self) -> tuple[float, float] | None:
        """At the end: the seconds that were expected to be left a tenth of the way on, and those it took from there."""
        return self._forecast and (self._forecast[1], self.elapsed - self._forecast[0])
