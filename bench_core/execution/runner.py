"""One case, from its step to its record."""

from __future__ import annotations

import atexit
import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from bench_core.core.case import NO_SOURCES, Case, Effort, Sources
from bench_core.core.errors import OptionError
from bench_core.core.modes import Compilation
from bench_core.core.ranks import RankTimes
from bench_core.core.records import Record, Timing
from bench_core.core.results import Contention, Measurement, Parity, Stages
from bench_core.core.step import Step
from bench_core.execution.energy import EnergyReading, measure_energy
from bench_core.execution.extra_call import ExtraCall, counted_call, extra_call
from bench_core.execution.flags import flags_of
from bench_core.execution.kernels import Kernels, kernels_of
from bench_core.execution.outputs import calls_to_check, check_outputs
from bench_core.execution.parity.gate import affordable_batch, check_at_batch, check_first_call
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


@dataclass(frozen=True)
class Labels:
    """What a record says about the work, apart from what was measured."""

    family: str
    kind: str
    unit: str
    summary: str
    source: str

    @classmethod
    def of(cls, workload: Workload) -> Labels:
        """The labels of a workload."""
        return cls(workload.family, workload.kind, workload.unit, workload.summary, workload.source)


@dataclass(frozen=True)
class _Figures:
    """What was measured of a step."""

    measurement: Measurement
    contention: Contention
    peak_memory: int | None
    stages: Stages | None
    extra: ExtraCall
    energy: EnergyReading
    kernels: Kernels
    compilation: Compilation | None
    ranks: RankTimes | None


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
        cold_start = parity = None
        if first:
            step()
            cold_start, parity = first.timing.cold_start, first.parity
        elif batch == case.batch_size:
            checked = check_first_call(workload, case, step, clock, sources)
            cold_start, parity = checked.seconds, checked.parity

        def look_at() -> ExtraCall:
            return ExtraCall.of(first) if first else counted_call(step, case, workload.casting_of(case), before)

        figures = _measured(step, case, effort, look_at, clock, cold_start)
        if not parity and batch is not None and batch != case.batch_size:
            parity = check_at_batch(workload, case, batch, step, sources, ranks)
        seconds = built, time.perf_counter() - started
        return figures.measurement, _record(
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
        return figures.measurement, _record(step, case, labels, figures, None, USER_CODE, seconds)


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
) -> _Figures:
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
    return _Figures(
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


def _record(
    step: Step,
    case: Case,
    labels: Labels,
    figures: _Figures,
    parity: Parity | None,
    no_parity: str,
    seconds: tuple[float, float],
) -> Record:
    """The record of a case; ``seconds`` are those of the build and those of everything."""
    m = figures.measurement
    return Record(
        case=case,
        **vars(labels),
        units=step.units,
        flops=step.flops,
        parameters=step.parameters or None,
        data=step.data,
        device_model=" + ".join(device.model() for device in resolve(step.devices)),
        threads=torch.get_num_threads(),
        timing=Timing.of(m),
        build_seconds=seconds[0],
        wall_seconds=seconds[1],
        peak_memory=figures.peak_memory,
        contention=figures.contention,
        compilation=figures.compilation,
        parity=parity,
        flags=flags_of(case, m, figures.contention, figures.stages, parity),
        stages=figures.stages,
        casts=figures.extra.casts,
        counts=figures.extra.counts,
        peak_host_memory=figures.extra.peak_host_memory,
        energy=figures.energy.energy,
        ranks=figures.ranks,
        kernels=figures.kernels.count,
        unavailable=_unavailable(step, figures, no_parity),
    )


def _unavailable(step: Step, figures: _Figures, no_parity: str) -> dict[str, str]:
    """Why a field of the record is ``None``, by field."""
    m = figures.measurement
    uncounted = figures.extra.uncounted
    reasons = {
        "interval": None if m.interval else "too few independent samples within the time cap for this confidence",
        "device_time": None if m.device_time else _no_device_time(step),
        "cross_check": None if m.cross_check else "would have taken over a quarter of the time budget",
        "latency": None if m.latency else "a single call takes over a quarter of the time budget",
        "peak_memory": None if figures.peak_memory is not None else "torch does not count host memory",
        "peak_host_memory": None if figures.extra.peak_host_memory is not None else "only Linux lets it be reset",
        "parity": no_parity,
        "counts": uncounted,
        "casts": uncounted if figures.extra.casts and figures.extra.casts.others is None else None,
        "energy": "; ".join(figures.energy.missing),
        "kernels": figures.kernels.missing,
        "flops": None if step.flops is not None else "not defined for this work",
        "parameters": None if step.parameters else "no trainable parameters",
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _no_device_time(step: Step) -> str:
    return "several devices have no clock in common" if len(step.devices) > 1 else "this device has no clock of its own"


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch use this many CPU threads (all usable cores for ``None``); afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or usable_cpus())
    try:
        yield
    finally:
        torch.set_num_threads(before)
