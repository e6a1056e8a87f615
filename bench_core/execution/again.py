"""Cases that are measured again: which ones, for how long, and which measurement counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench_core.core.records import Record
from bench_core.execution.schedule import MEASURE_FACTOR, MIN_LIMIT, Cost
from bench_core.hardware.contention import disturbance

REPEAT_SHARE = 0.25
"""Without a budget, measuring again may take this share of the time that the sweep took."""
MIN_GAIN = 1.5
"""A case is refined only if it gets this many times the seconds of samples that it had."""


@dataclass(frozen=True)
class Measured:
    """A case with a figure: its record, the seconds of samples it had, and those that it may have."""

    record: Record
    limit: float
    full: float

    @property
    def fixed(self) -> float:
        """Seconds that the case takes apart from measuring, at most: its parity is not checked again."""
        return Cost.of(self.record).fixed


def wanted(measured: Iterable[Measured]) -> list[Measured]:
    """What is worth measuring again, the most urgent first: what met contention; then what has no interval or missed
    its target for lack of time, the widest first."""
    contended, short = [], []
    for one in measured:
        if one.record.contended:
            contended.append(one)
        elif one.limit < one.full and not one.record.timing.met_target:
            short.append(one)
    return contended + sorted(short, key=lambda one: one.record.timing.rel_half_width or float("inf"), reverse=True)


def limit_within(one: Measured, seconds: float) -> float | None:
    """Seconds of samples for measuring a case again within this many seconds; ``None`` if that is not worth it."""
    limit = min(one.full, (seconds - one.fixed) / MEASURE_FACTOR)
    enough = one.limit if one.record.contended else MIN_GAIN * one.limit
    return limit if limit >= max(MIN_LIMIT, min(enough, one.full)) else None


def counts(first: Record, second: Record) -> Record:
    """Which of two measurements of a case counts: the second, unless it met more contention.

    Decided by the contention counters and never by the times.
    """
    if first.contended != second.contended:
        return second if first.contended else first
    return first if second.contended and _disturbance(second) >= _disturbance(first) else second


def _disturbance(record: Record) -> float:
    return disturbance(record.contention, record.threads)
