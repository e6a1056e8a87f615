"""The stages of a pipeline, timed one by one and in turn with whole calls."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bench_core.core import stats
from bench_core.core.results import Stages
from bench_core.hardware.device import Device, resolve
from bench_core.timing.clock import SynchronizedClock

if TYPE_CHECKING:
    from bench_core.core.step import Step

MIN_REPEATS, MAX_REPEATS = 3, 50


def time_stages(
    step: Step,
    devices: str | Device | Sequence[str],
    max_time: float = 1.0,
    timer: Callable[[], float] = time.perf_counter,
) -> Stages:
    """Time a pipeline's stages and whole calls in turn, for about ``max_time`` seconds, and at least three times.

    The order changes with every repeat, so that a steady drift of the machine affects both equally. Raises
    ``ValueError`` for a step without stages.
    """
    if not step.stages:
        raise ValueError("this step has no stages")
    clock = SynchronizedClock(resolve(devices), timer)
    parts: list[Mapping[str, float]] = []
    wholes: list[float] = []
    started, wanted = timer(), MIN_REPEATS
    while len(wholes) < wanted:
        if len(wholes) % 2:
            parts.append(_staged(step, clock))
        wholes.append(clock.block(step, 1).wall)
        if len(parts) < len(wholes):
            parts.append(_staged(step, clock))
        wanted = min(MAX_REPEATS, max(MIN_REPEATS, int(max_time * len(wholes) / max(timer() - started, 1e-9))))
    return _joined(step, parts, wholes)


def _joined(step: Step, parts: Sequence[Mapping[str, float]], wholes: Sequence[float]) -> Stages:
    """Stage times that add up.

    Each repeat has a ratio: the sum of its stages to its whole call. The sum of the reported stages is the median of
    these ratios times the median whole call. It is divided among the stages in proportion to their medians. The two
    parts of a repeat ran one right after the other, so the machine's drift cancels in their ratio. The stages' medians
    themselves need not add up: if a slow stage makes the next one wait less, the sum of the two medians is less than
    the median of the sum.
    """
    whole = stats.median(wholes)
    total = whole * stats.median([sum(part.values()) / call for part, call in zip(parts, wholes, strict=True)])
    medians = {name: stats.median([part[name] for part in parts]) for name in parts[0]}
    seconds = {name: total * value / sum(medians.values()) for name, value in medians.items()}
    return Stages(seconds, whole, repeats=len(wholes), loading=step.loading, moving=step.moving)


def _staged(step: Step, clock: SynchronizedClock) -> dict[str, float]:
    """Seconds of each stage in the cycles of one call, with garbage collection disabled as in a timed block."""
    spent = dict.fromkeys(step.stages, 0.0)
    timer, stages = clock.timer, tuple(step.stages.items())
    collecting = gc.isenabled()
    gc.disable()
    try:
        clock.synchronize()
        before = timer()
        for _ in range(step.stage_cycles):
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
