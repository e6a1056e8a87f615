"""How far a run is, how long the rest will take, and the line of each case."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench_core.core import text
from bench_core.core.case import Case
from bench_core.core.records import Record
from bench_core.workloads.kit.definition import Workload

HEAVY_FACTOR = 8
"""Heavy workloads get this many times the seconds of others: one of their calls takes longer than a fifth of a second,
and a confidence interval needs six samples."""


def time_limit(workload: Workload, max_time: float) -> float:
    """Seconds of samples a case of this workload may take."""
    return max_time * HEAVY_FACTOR if workload.heavy else max_time


def expected_seconds(case: Case, workload: Workload, max_time: float, known: Mapping[str, float]) -> float:
    """How long a case will take: as long as in the last stored run, else an estimate from its time limit."""
    if case.id in known:
        return known[case.id]
    return time_limit(workload, max_time) * 1.5 if workload.heavy else 0.5 + 0.5 * max_time


def format_duration(seconds: float) -> str:
    """A duration for people: ``about 4 min``, ``about 30 s``."""
    if seconds < 90:
        return f"about {max(1, round(seconds / 5) * 5 if seconds > 10 else round(seconds))} s"
    return f"about {round(seconds / 60)} min"


class Progress:
    """How far a run is, and how long the rest will take at the pace so far."""

    def __init__(self, expected: Mapping[str, float]) -> None:
        self.total = len(expected)
        self.left = sum(expected.values())
        self.done = 0
        self._expected = expected
        self._spent = 0.0
        self._begun = time.monotonic()

    def line(self, name: str, outcome: str) -> str:
        """Count a case as done, and describe it."""
        seconds = self._expected.get(name, 0.0)
        self.done += 1
        self.left -= seconds
        self._spent += seconds
        pace = (time.monotonic() - self._begun) / self._spent if self._spent else 1.0
        rest = f"{format_duration(self.left * pace)} left" if self.done < self.total else ""
        head = f"[{self.done:>{len(str(self.total))}}/{self.total}] {name}"
        return f"{head:<60s} {outcome:<24s} {rest}".rstrip()


def format_figure(record: Record) -> str:
    """A case's median time with the relative half-width of its confidence interval."""
    t = record.timing
    if t.rel_half_width is None:
        return f"{text.seconds(t.median):>8s} (no interval: {t.count} samples, {t.effective_samples:.0f} independent)"
    missed = "" if t.met_target else f" (aimed at ±{100 * t.rel_ci:g}%)"
    return f"{text.seconds(t.median):>8s} ±{100 * t.rel_half_width:.1f}%{missed}"
