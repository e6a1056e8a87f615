"""One case, from its step to its record."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from bench_core.core.case import NO_SOURCES, Case, Effort, Sources
from bench_core.core.errors import OptionError
from bench_core.core.modes import Casting, Casts, Compilation
from bench_core.core.records import Record, Timing
from bench_core.core.results import Contention, Measurement, Parity, Stages
from bench_core.core.step import Step
from bench_core.execution.casting import HIDDEN, casts_of
from bench_core.execution.flags import flags_of
from bench_core.execution.outputs import calls_to_check, check_outputs
from bench_core.execution.parity.gate import affordable_batch, check_at_batch, check_first_call
from bench_core.execution.parity.judge import check_build
from bench_core.execution.skips import machine_limits_are_skips
from bench_core.hardware import allocator
from bench_core.hardware.contention import ContentionWatch
from bench_core.hardware.device import resolve
from bench_core.hardware.machine import usable_cpus
from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.sampling import measure
from bench_core.timing.stages import time_stages
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.compiling import compilation
from bench_core.workloads.kit.definition import Workload

USER_CODE = "user code has no float64 reference"


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
    compilation: Compilation | None
    stages: Stages | None
    casts: Casts | None


def run_case(
    workload: Workload, case: Case, effort: Effort, sources: Sources = NO_SOURCES, first: Record | None = None
) -> tuple[Measurement, Record]:
    """Build, check and measure a case of a workload.

    ``first`` is the record of the case if it was measured before: its parity and its cold start are taken over.

    Raises ``CaseSkipped`` for what this machine cannot do, ``ParityError`` for a step that does not agree with float64,
    ``NotFiniteError`` for broken output and ``CaseError`` for a case that cannot be built.
    """
    gc.collect()  # reference cycles left by a failed case would take memory from this one
    allocator.settle()
    started = time.perf_counter()
    with threads(case.threads), machine_limits_are_skips():
        step = build(workload, case, sources=sources)
        built = time.perf_counter() - started
        devices = resolve(step.devices)
        devices[0].reset_peak_memory()
        check_build(workload, case, step)
        batch = None if workload.no_parity else affordable_batch(workload, case, step)
        cold_start = parity = None
        if first:
            step()
            cold_start, parity = first.timing.cold_start, first.parity
        elif batch == case.batch_size:
            checked = check_first_call(workload, case, step, SynchronizedClock(devices), sources)
            cold_start, parity = checked.seconds, checked.parity
        figures = _measured(step, case, effort, cold_start, workload.casting_of(case))
        if not parity and batch is not None and batch != case.batch_size:
            parity = check_at_batch(workload, case, batch, step, sources)
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
    gc.collect()
    started = time.perf_counter()
    step = Step(fn=fn, units=units, flops=None, devices=(case.device,), data="the test's own")
    chosen = contextlib.nullcontext() if case.threads is None else threads(case.threads)
    with chosen, machine_limits_are_skips():
        resolve(step.devices)[0].reset_peak_memory()
        figures = _measured(step, case, effort)
        seconds = 0.0, time.perf_counter() - started
        return figures.measurement, _record(step, case, labels, figures, None, USER_CODE, seconds)


def _measured(
    step: Step, case: Case, effort: Effort, cold_start: float | None = None, casting: Casting | None = None
) -> _Figures:
    watch = ContentionWatch()
    m = measure(step.fn, step.devices, effort.rel_ci, effort.confidence, effort.max_time, cold_start=cold_start)
    contention = watch.read()
    peak = resolve(step.devices)[0].peak_memory()
    check_outputs(step, calls_to_check(m, effort.max_time))
    stages = time_stages(step, step.devices, effort.max_time / 4) if step.stages else None
    return _Figures(
        measurement=m,
        contention=contention,
        peak_memory=peak,
        # From here on nothing is timed, and what was compiled is discarded.
        compilation=compilation(step) if "compile" in case.variant_parts else None,
        stages=stages,
        casts=casts_of(step, case, casting),
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
        casts=figures.casts,
        unavailable=_unavailable(step, figures, no_parity),
    )


def _unavailable(step: Step, figures: _Figures, no_parity: str) -> dict[str, str]:
    """Why a field of the record is ``None``, by field."""
    m = figures.measurement
    reasons = {
        "interval": None if m.interval else "too few independent samples within the time cap for this confidence",
        "device_time": None if m.device_time else _no_device_time(step),
        "cross_check": None if m.cross_check else "would have taken over a quarter of the time budget",
        "latency": None if m.latency else "a single call takes over a quarter of the time budget",
        "peak_memory": None if figures.peak_memory is not None else "torch does not count host memory",
        "parity": no_parity,
        "casts": f"calls of {' and '.join(HIDDEN)} do not show single operators" if _not_counted(figures) else None,
        "flops": None if step.flops is not None else "not defined for this work",
        "parameters": None if step.parameters else "no trainable parameters",
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _not_counted(figures: _Figures) -> bool:
    return figures.casts is not None and figures.casts.others is None


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
