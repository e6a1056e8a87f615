"""The parts of a pipeline, timed apart and beside the whole."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench_core import stats
from bench_core.clock import SynchronizedClock
from bench_core.device import Device, resolve
from bench_core.schema import RecordError

if TYPE_CHECKING:
    from bench_core.spec import Step

TOLERANCE = 0.05
"""How far the stages' sum may lie from the whole before a case is flagged."""
FEWEST, MOST = 3, 50
"""Repeats: at least, where the time is short, and at most."""


@dataclass(frozen=True)
class Stages:
    """Seconds per call of each stage, and of a whole call: from medians of ``repeats`` of both, taken in turn.

    Between stages the devices are waited for, so stages that overlap in a whole call add up to more than it.
    """

    seconds: dict[str, float]
    whole: float
    repeats: int

    def __post_init__(self) -> None:
        for name, value in {**self.seconds, "whole": self.whole}.items():
            if not (math.isfinite(value) and value >= 0.0):
                raise RecordError(f"{name}: {value} is not a number of seconds")
        if not (self.seconds and self.whole and self.repeats > 0):
            raise RecordError("stages: there are none, or they took no time")

    @property
    def share(self) -> float:
        """The stages' sum over the whole."""
        return sum(self.seconds.values()) / self.whole

    def warnings(self) -> tuple[str, ...]:
        """What to be wary of, in words: the stages do not add up to the whole."""
        if abs(self.share - 1.0) <= TOLERANCE:
            return ()
        why = "they overlap in a whole call, or other work disturbed" if self.share > 1.0 else "other work disturbed"
        return (f"stages: waited for one by one they take {100 * self.share:.0f}% of a whole call ({why})",)


def time_stages(
    step: Step,
    devices: str | Device | Sequence[str],
    max_time: float = 1.0,
    timer: Callable[[], float] = time.perf_counter,
) -> Stages:
    """Time a pipeline's stages and whole calls in turn, for about ``max_time`` seconds but thrice at least.

    The order changes with every repeat, so that a steady drift of the machine falls on both alike. Raises
    ``ValueError`` for a step without stages.
    """
    if not step.stages:
        raise ValueError("this step has no stages")
    clock = SynchronizedClock(resolve(devices), timer)
    parts: list[Mapping[str, float]] = []
    wholes: list[float] = []
    begun, wanted = timer(), FEWEST
    while len(wholes) < wanted:
        if len(wholes) % 2:
            parts.append(_staged(step, clock))
        wholes.append(clock.block(step, 1).wall)
        if len(parts) < len(wholes):
            parts.append(_staged(step, clock))
        wanted = min(MOST, max(FEWEST, int(max_time * len(wholes) / max(timer() - begun, 1e-9))))
    return _joined(parts, wholes)


def _joined(parts: Sequence[Mapping[str, float]], wholes: Sequence[float]) -> Stages:
    """Medians that add up: the stages' sum is the median ratio to the whole call beside it, divided among them.

    Neighbours met the same machine, so its drift is not in their ratio. The stages' own medians would not do, except
    for their proportions: where a slow stage makes the next one wait less, medians sum to less than that of both.
    """
    whole = stats.median(wholes)
    together = whole * stats.median([sum(part.values()) / beside for part, beside in zip(parts, wholes, strict=True)])
    medians = {name: stats.median([part[name] for part in parts]) for name in parts[0]}
    seconds = {name: together * value / sum(medians.values()) for name, value in medians.items()}
    return Stages(seconds=seconds, whole=whole, repeats=len(wholes))


def _staged(step: Step, clock: SynchronizedClock) -> dict[str, float]:
    """Seconds of each stage in one call's worth of rounds, the garbage collector held back as in a timed block."""
    spent = dict.fromkeys(step.stages, 0.0)
    timer, stages = clock.timer, tuple(step.stages.items())
    collecting = gc.isenabled()
    gc.disable()
    try:
        clock.synchronize()
        before = timer()
        for _ in range(step.rounds):
            for name, stage in stages:
                stage()
                clock.synchronize()
                now = timer()
                spent[name] += now - before
                before = now
    finally:
        if collecting:
            gc.enable()
    return spent
