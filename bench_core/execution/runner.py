"""One case: built, checked and measured."""

from __future__ import annotations

import atexit
import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bench_core.core.case import NO_SOURCES, Case, Effort, Sources
from bench_core.core.errors import OptionError
from bench_core.core.records import Record
from bench_core.core.results import Measurement
from bench_core.core.step import Step
from bench_core.execution.energy import EnergyReading, measure_energy
from bench_core.execution.extra_call import ExtraCall, counted_call, extra_call
from bench_core.execution.figures import Labels, StepFigures, record_of
from bench_core.execution.kernels import Kernels, kernels_of
from bench_core.execution.outputs import calls_to_check, check_outputs
from bench_core.execution.parity.gate import affordable_batch, check_at_batch, check_first_call, confirm
from bench_core.execution.parity.judge import check_build
from bench_core.execution.skips import machine_limits_are_skips
from bench_core.hardware import allocator, memory
from bench_core.hardware.contention import ContentionWatch
from bench_core.hardware.device import resolve
from bench_core.hardware.energy import counters
from bench_core.hardware.machine import usable_cpus
from bench_core.hardware.ranks import ALONE, Ranks, cores_of_each
from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.rank_clock import RankClock
from bench_core.timing.sampling import measure
from bench_core.timing.stages import time_stages
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.compiling import compilation
from bench_core.workloads.kit.definition import Workload

atexit.register(gc.unfreeze)  # triton would report what is still frozen at the end as leaked
USER_CODE = "user code has no float64 reference"
NOT_IN_STEP = "counters are read as long as time allows, and ranks must make the same number of calls"


def run_case(
    workload: Workload,
    case: Case,
    effort: Effort,
    sources: Sources = NO_SOURCES,
    first: Record | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Measurement, Record]:
    """Build, check and measure a case of a workload.

    ``first`` is the record of the case if it was measured before: its parity and its cold start are taken over.
    ``ranks`` is this process's place among those that work on it together; all of them call this.

    Raises ``CaseSkipped`` for what this machine cannot do, ``ParityError`` for a step that does not agree with float64,
    ``NotFiniteError`` for broken output and ``CaseError`` for a case that cannot be built.
    """
    before = memory_at_rest()
    gc.freeze()  # else each case searches the libraries' objects for garbage, twice, which takes half a second
    started = time.perf_counter()
    own = cores_of_each(ranks.size) if ranks.launched else None
    with threads(case.threads or own), machine_limits_are_skips():
        step = build(workload, case, sources=sources, ranks=ranks)
        built = time.perf_counter() - started
        devices = resolve(step.devices)
        clock = RankClock(devices, ranks) if ranks.launched else SynchronizedClock(devices)
        devices[0].reset_peak_memory()
        check_build(workload, case, step)
        batch = None if workload.no_parity else affordable_batch(workload, case, step)
        cold_start = parity = checked = None
        if first:
            step()
            cold_start, parity = first.timing.cold_start, first.parity
        elif batch == case.batch_size:
            checked = check_first_call(workload, case, step, clock, sources)
            cold_start, parity = checked.seconds, checked.parity

        def look_at() -> ExtraCall:
            return ExtraCall.of(first) if first else counted_call(step, case, workload.casting_of(case), before)

        figures = _measured(step, case, effort, look_at, clock, cold_start)
        if checked and checked.jumped:
            confirm(workload, case, step, sources, ranks)
        if not parity and batch is not None and batch != case.batch_size:
            parity = check_at_batch(workload, case, batch, step, sources, ranks)
        seconds = built, time.perf_counter() - started
        return figures.measurement, record_of(
            step, case, Labels.of(workload), figures, parity, workload.no_parity, seconds
        )


def run_step(
    fn: Callable[[], Any], case: Case, units: int, effort: Effort, labels: Labels
) -> tuple[Measurement, Record]:
    """Measure a user-supplied callable; ``case`` names it. Torch's number of threads stays unless ``case`` has one.

    Raises ``CaseSkipped`` and ``NotFiniteError`` as ``run_case`` does, and ``OptionError`` for fewer than one unit.
    """
    if units < 1:
        raise OptionError(f"units is {units}; it must be a whole number above 0")
    before = memory_at_rest()
    started = time.perf_counter()
    step = Step(fn=fn, units=units, flops=None, devices=(case.device,), data="the test's own")
    chosen = contextlib.nullcontext() if case.threads is None else threads(case.threads)
    with chosen, machine_limits_are_skips():
        devices = resolve(step.devices)
        devices[0].reset_peak_memory()
        figures = _measured(step, case, effort, lambda: extra_call(step, before), SynchronizedClock(devices))
        seconds = 0.0, time.perf_counter() - started
        return figures.measurement, record_of(step, case, labels, figures, None, USER_CODE, seconds)


def memory_at_rest() -> int:
    """The memory in bytes that this process has, without what an earlier case has left."""
    memory.trim()
    allocator.settle()
    return memory.resident()


def _measured(
    step: Step,
    case: Case,
    effort: Effort,
    look_at: Callable[[], ExtraCall],
    clock: SynchronizedClock,
    cold_start: float | None = None,
) -> StepFigures:
    ranks = clock.ranks
    watch = ContentionWatch(ranks.launcher)
    wanted = (effort.rel_ci, effort.confidence, effort.max_time)
    m = measure(step.fn, step.devices, *wanted, cold_start=cold_start, clock=clock)
    contention = watch.read()
    peak = resolve(step.devices)[0].peak_memory()
    check_outputs(step, calls_to_check(m, effort.max_time))
    in_stages = step.stages and not ranks.launched  # their number of repeats depends on each process's own time
    stages = time_stages(step, step.devices, effort.max_time / 4) if in_stages else None
    energy = EnergyReading((), (NOT_IN_STEP,) if effort.energy and ranks.launched else ())
    if effort.energy and not ranks.launched:
        with counters(step.devices) as found:
            energy = measure_energy(step, m.median, found)
    times = clock.rank_times(step, m, effort.max_time / 4)
    return StepFigures(
        measurement=m,
        contention=contention,
        peak_memory=peak,
        stages=stages,
        # From here on nothing is timed; at last, what was compiled is discarded.
        extra=look_at(),
        energy=energy,
        kernels=kernels_of(step.fn, resolve(step.devices)[0]) if effort.kernels else Kernels(None),
        compilation=compilation(step) if "compile" in case.variant_parts else None,
        ranks=times,
    )


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch use this many CPU threads (all usable cores for ``None``); afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or usable_cpus())
    try:
        yield
    finally:
        torch.set_num_threads(before)
