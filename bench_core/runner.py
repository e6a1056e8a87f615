"""One case from build to record."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench_core import workloads
from bench_core.build import RESTORE_EVERY
from bench_core.compiling import compilation, no_compiler_is_a_skip
from bench_core.device import resolve
from bench_core.machine import usable_cpus
from bench_core.parity import Gate
from bench_core.records import Record, Timing
from bench_core.sampling import Measurement, measure
from bench_core.spec import Case, CaseSkipped, Step, Workload
from bench_core.stages import time_stages
from bench_core.telemetry import ContentionWatch, Parity

UNSUPPORTED = ("could not create a primitive", "not implemented for")
"""What oneDNN and torch say where they have no kernel for an operation, a dtype and this processor."""


class NotFiniteError(ValueError):
    """A step whose output holds infinities or NaNs: its time would be the time of broken work."""


@dataclass(frozen=True)
class Effort:
    """How well to measure: the target, its confidence, and the seconds of samples allowed."""

    rel_ci: float = 0.02
    confidence: float = 0.95
    max_time: float = 1.0


@dataclass(frozen=True)
class Labels:
    """What a record says of the work beside its figures."""

    family: str
    kind: str
    unit: str
    summary: str
    source: str

    @classmethod
    def of(cls, workload: Workload) -> Labels:
        """The labels of a workload of this suite."""
        return cls(workload.family, workload.kind, workload.unit, workload.summary, workload.source)


def run_case(case: Case, effort: Effort, data_dir: Path | None = None) -> tuple[Measurement, Record]:
    """Build and measure a case of a workload of this suite.

    Raises ``CaseSkipped`` where memory does not suffice or a compiler is missing, ``ParityError`` for a step that does
    not agree with float64, ``NotFiniteError`` for broken output and ``ValueError`` for a case that cannot be built.
    """
    gc.collect()  # what a failed case left in reference cycles would take memory from this one
    started = time.perf_counter()
    chosen = workloads.get(case.workload)
    with threads(case.threads), out_of_memory_is_a_skip(), no_compiler_is_a_skip(), unsupported_is_a_skip():
        step = workloads.build(case, data_dir=data_dir)
        gate = None if chosen.no_parity else Gate(case, step, data_dir)
        built = time.perf_counter() - started
        return _measured(step, case, effort, Labels.of(chosen), built, gate, chosen.no_parity)


def run_step(
    fn: Callable[[], Any], case: Case, units: int, effort: Effort, labels: Labels
) -> tuple[Measurement, Record]:
    """Measure a callable of somebody else's; ``case`` names it. Without a number of threads in it, torch's stays.

    Raises as ``run_case`` does, and ``ValueError`` for fewer than one unit.
    """
    if units < 1:
        raise ValueError(f"units is {units}; it must be a whole number above 0")
    gc.collect()
    step = Step(fn=fn, units=units, flops=None, devices=(case.device,), data="the test's own")
    own_choice = contextlib.nullcontext() if case.threads is None else threads(case.threads)
    with own_choice, out_of_memory_is_a_skip(), no_compiler_is_a_skip(), unsupported_is_a_skip():
        return _measured(step, case, effort, labels, 0.0, None, "somebody's own work: it has no reference")


def _measured(
    step: Step, case: Case, effort: Effort, labels: Labels, built: float, gate: Gate | None, no_parity: str
) -> tuple[Measurement, Record]:
    started = time.perf_counter()
    devices = resolve(step.devices)
    main = devices[0]
    main.reset_peak_memory()
    watch = ContentionWatch()
    inspect = gate.after_first if gate else None
    m = measure(step.fn, step.devices, effort.rel_ci, effort.confidence, effort.max_time, after_first=inspect)
    contention = watch.read()
    peak = main.peak_memory()
    check_outputs(step, calls_to_check(m, effort))
    compiled = compilation() if "compile" in case.variant.split("+") else None
    stages = time_stages(step, step.devices, effort.max_time / 4) if step.stages else None
    stage_flags = stages.warnings() if stages else ()
    parity = gate.result() if gate else None
    record = Record(
        case=case,
        family=labels.family,
        kind=labels.kind,
        unit=labels.unit,
        summary=labels.summary,
        source=labels.source,
        units=step.units,
        flops=step.flops,
        parameters=step.parameters or None,
        data=step.data,
        device_model=" + ".join(device.model() for device in devices),
        threads=torch.get_num_threads(),
        timing=Timing.of(m),
        build_seconds=built,
        wall_seconds=built + time.perf_counter() - started,
        peak_memory=peak,
        contention=contention,
        compilation=compiled,
        parity=parity,
        flags=m.flags
        + contention.warnings(torch.get_num_threads(), usable_cpus())
        + dtype_flags(case)
        + stage_flags
        + parity_flags(case, parity),
        stages=stages,
        unavailable=_unavailable(m, step, peak, no_parity),
    )
    return m, record


def _unavailable(m: Measurement, step: Step, peak: int | None, no_parity: str) -> dict[str, str]:
    reasons = {
        "interval": None if m.interval else "too few independent samples within the time cap for this confidence",
        "device_time": None if m.device_time else _no_device_time(step),
        "cross_check": None if m.cross_check else "would have taken over a quarter of the time budget",
        "latency": None if m.latency else "a single call takes over a quarter of the time budget",
        "peak_memory": None if peak is not None else "torch does not count host memory",
        "parity": no_parity,
        "flops": None if step.flops is not None else "not defined for this work",
        "parameters": None if step.parameters else "no trainable parameters",
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _no_device_time(step: Step) -> str:
    return "several devices have no clock in common" if len(step.devices) > 1 else "this device has no clock of its own"


def parity_flags(case: Case, parity: Parity | None) -> tuple[str, ...]:
    """Warnings about what could not be held against float64."""
    untold = parity.untold if parity else ()
    return tuple(
        f"parity: the {name} not judged: rounding to {case.dtype} alone changes them wholly" for name in untold
    )


def dtype_flags(case: Case) -> tuple[str, ...]:
    """Warnings about a dtype on this machine."""
    if case.dtype == "bf16" and case.device == "cpu" and not _native_bf16():
        return ("this CPU has no bf16 instructions: bf16 is emulated",)
    return ()


def _native_bf16() -> bool:
    return any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch use this many CPU threads (all usable cores for ``None``), and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or usable_cpus())
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def out_of_memory_is_a_skip() -> Iterator[None]:
    """Turn running out of memory, on a GPU or in the host's allocator, into ``CaseSkipped``."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise CaseSkipped(f"out of GPU memory ({_first_sentence(error)})") from None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
            raise
        raise CaseSkipped(f"out of memory ({_first_sentence(error)})") from None


@contextlib.contextmanager
def unsupported_is_a_skip() -> Iterator[None]:
    """Turn a library's refusal of an operation that it lacks for this processor into ``CaseSkipped``."""
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in UNSUPPORTED):
            raise
        raise CaseSkipped(f"not supported on this machine ({_first_sentence(error).partition('. ')[0]})") from None


def _first_sentence(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def calls_to_check(m: Measurement, effort: Effort) -> int:
    """A whole cycle of calls between two restores of a training step, or as many as a tenth of the time allows."""
    return max(1, min(RESTORE_EVERY, int(effort.max_time / 10 / m.median)))


def check_outputs(step: Step, calls: int) -> None:
    """Call the step and look at what it returns (a tensor, or a dict or sequence of them).

    Raises ``NotFiniteError`` for values that are not finite, and ``ValueError`` for output on a device that was not
    waited for: its time would be that of giving the work away.
    """
    waited_for = {device.partition(":")[0] for device in step.devices} | {"cpu"}
    for _ in range(calls):
        for name, tensor in _tensors("output", step()):
            if tensor.device.type not in waited_for:
                raise ValueError(
                    f"{name} lies on {tensor.device}, but the step was measured on {', '.join(step.devices)}; "
                    f"say device={tensor.device.type!r}"
                )
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise NotFiniteError(f"{name} holds values that are not finite, so its time means nothing")


def _tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(str(key), item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for i, item in enumerate(value):
            yield from _tensors(f"{name}[{i}]", item)
