"""The energy of a case: a pass of its own over a window that is long for its counters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench_core.core.errors import CounterError
from bench_core.core.results import Energy
from bench_core.core.step import Step
from bench_core.hardware.device import resolve
from bench_core.hardware.energy import Counter, Counters
from bench_core.timing.clock import SynchronizedClock

WINDOW = 2.0
"""Seconds, at least. The counters of GPUs move every 20 to 100 ms, so that an end is off by 5% at most."""


@dataclass(frozen=True)
class EnergyReading:
    """What was measured, and the reasons why the rest was not."""

    energy: tuple[Energy, ...]
    missing: tuple[str, ...]


def measure_energy(
    step: Step, call_seconds: float, found: Counters, timer: Callable[[], float] = time.perf_counter
) -> EnergyReading:
    """Call a step for at least ``WINDOW`` seconds and at least once, and read the counters before and after.

    ``call_seconds`` is about how long a call takes. A counter that fails or does not move is a reason, never an error.
    """
    missing = list(found.missing)
    before = _read(found.counters, missing)
    if not before:
        return EnergyReading((), tuple(missing))
    clock = SynchronizedClock(resolve(step.devices), timer)
    seconds, calls = 0.0, 0
    while seconds < WINDOW:
        block = max(1, int((WINDOW - seconds) / call_seconds))
        seconds += clock.block(step.fn, block).wall
        calls += block
    after = _read([counter for counter, _ in before], missing)
    energy = []
    for counter, joules in after:
        spent = counter.between(dict(before)[counter], joules)
        if spent > 0.0:
            energy.append(Energy(counter.boundary, spent, seconds, calls))
        else:
            missing.append(f"{counter.boundary}: the counter did not move in {seconds:.1f} s")
    return EnergyReading(tuple(energy), tuple(missing))


def _read(counters: Iterable[Counter], missing: list[str]) -> list[tuple[Counter, float]]:
    """What the counters show; the reasons of those that cannot be read are added to ``missing``."""
    readings = []
    for counter in counters:
        try:
            readings.append((counter, counter.read()))
        except CounterError as reason:
            missing.append(str(reason))
    return readings
