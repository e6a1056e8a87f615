"""From a case to a step, or the reason why this machine or the workload does not support the case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist

from bench_core.core import extras
from bench_core.core.case import (
    ALL_VARIANTS,
    AUTOCAST,
    CACHES,
    DEVICES,
    DTYPES,
    HALF_DTYPES,
    NO_SOURCES,
    Case,
    Sources,
)
from bench_core.core.errors import CaseError
from bench_core.core.modes import Casting
from bench_core.core.step import Step
from bench_core.core.text import counted
from bench_core.core.tunings import TUNINGS
from bench_core.hardware import device, precision
from bench_core.hardware.machine import usable_cpus
from bench_core.hardware.ranks import ALONE, BACKENDS, Ranks, on_this_host
from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.kit.definition import Workload


def build(workload: Workload, case: Case, *, sources: Sources = NO_SOURCES, **options: Any) -> Step:
    """Build a case of a workload into a step that is ready to call.

    ``sources`` is what the user brings, such as real data; ``options`` are further fields of ``BuildContext``.
    Raises ``CaseError`` if the case names something that does not exist, and lists what exists; and for a case over
    ranks if this process is not one of so many.
    """
    reason = why_unsupported(workload, case) or _why_not_here(case, options.get("ranks", ALONE))
    if reason:
        raise CaseError(reason)
    return build_anywhere(workload, case, sources=sources, **options)


def _why_not_here(case: Case, ranks: Ranks) -> str | None:
    if case.ranks is None or (ranks.launched and (ranks.size, ranks.nodes) == (case.ranks, case.nodes)):
        return None
    processes = counted(case.ranks, "process", "processes")
    if case.nodes > 1:
        return f"{case.id} takes {processes} on {case.nodes} nodes that torchrun starts"
    return f"{case.id} takes {processes} that `pytest benchmarks --bench-ranks` starts"


def build_anywhere(workload: Workload, case: Case, **options: Any) -> Step:
    """Like ``build``, without checking whether the case is supported on its device."""
    resolved = resolve_case(workload, case)
    setting = workload.settings.get(resolved.setting)
    casting = workload.casting_of(resolved)
    if casting is Casting.STORED:
        options = {"storage": precision.HALF[resolved.dtype]} | options
    context = BuildContext(resolved, setting=setting, weights=workload.weights, casting=casting, **options)
    with extras.needs("workloads", f"workload {workload.name}"):
        return workload.build(context)


def resolve_case(workload: Workload, case: Case) -> Case:
    """The case, with the workload's first setting if the case names none."""
    return replace(case, setting=case.setting or workload.first_setting)


def why_unsupported(workload: Workload, case: Case) -> str | None:
    """The reason why a case cannot be built here, in one line; ``None`` if it can."""
    return next(_reasons(workload, case), None)


def _reasons(w: Workload, case: Case) -> Iterator[str]:
    # The order matters: each check assumes that the earlier ones found no reason.
    yield from _device_reasons(w, case)
    if case.threads is not None and case.threads < 1:
        yield f"threads is {case.threads}; it must be a whole number above 0, or None for all usable cores"
    yield from _rank_reasons(w, case)
    yield from _dtype_reasons(w, case)
    yield from _variant_reasons(w, case)
    if case.caches not in CACHES:
        yield f"no caches {case.caches!r}; there are: {', '.join(CACHES)}"
    if isinstance(case.batch_size, bool) or not isinstance(case.batch_size, int) or case.batch_size < 1:
        swept = ", ".join(str(b) for b in w.batch_sizes(case.device_type, "full"))
        yield f"batch size {case.batch_size!r} is not a whole number above 0; sweeps take: {swept}"
    if case.setting and case.setting not in w.settings:
        yield f"{w.name} has no setting {case.setting!r}; it has: {', '.join(w.settings) or 'none'}"
    if case.device_type == "cpu" and case.setting in w.gpu_settings:
        yield f"{', '.join(w.gpu_settings)}: such settings of {w.name} need a CUDA device"


def _device_reasons(w: Workload, case: Case) -> Iterator[str]:
    kind, index = case.device_type, case.device.partition(":")[2]
    if case.device != "cpu" and not device.is_accelerator(case.device):
        yield f"no device {case.device!r}; there are: {', '.join(DEVICES)}"
    if kind == "cpu" and w.gpu_only:
        yield f"{w.name} needs a CUDA device"
    if kind != "cpu":
        title = device.ACCELERATORS[kind].title
        if device.absence(kind):
            yield f"no {title} is present here; there is: {', '.join(device.present())}"
        if index and int(index) >= torch.accelerator.device_count():
            yield f"no device {case.device!r}; {title}s present: {torch.accelerator.device_count()}"
    if not w.batch_sizes(kind, "full"):
        yield f"{w.name} is not defined on {kind}"


def _rank_reasons(w: Workload, case: Case) -> Iterator[str]:
    if not 1 <= case.nodes <= (case.ranks or 1):
        yield f"nodes is {case.nodes}; it must be a whole number from 1 to that of the ranks"
    if case.ranks is None:
        if w.over_ranks:
            yield f"{w.name} is divided over ranks; name their number, such as ranks=2 or --bench-ranks 1,2"
        return
    if not w.over_ranks:
        yield f"{w.name} is not divided over ranks; leave their number out"
    if case.ranks < 1:
        yield f"ranks is {case.ranks}; it must be a whole number above 0"
    backend = BACKENDS.get(case.device_type)
    if backend is None or not dist.is_available() or not dist.is_backend_available(backend):
        yield f"this torch cannot communicate between ranks on {case.device_type} ({backend or 'no backend'})"
    here = on_this_host(case.ranks)
    if case.device_type == "cpu":
        needed, there, what = here * (case.threads or usable_cpus()), usable_cpus(), "cores"
    else:
        needed, there, what = here, torch.accelerator.device_count(), "accelerators"
    if needed > there:
        yield f"{counted(here, 'rank', 'ranks')} would need {needed} {what}; usable here: {there}"


def _dtype_reasons(w: Workload, case: Case) -> Iterator[str]:
    if case.dtype not in DTYPES:
        yield f"no dtype {case.dtype!r}; there are: {', '.join(DTYPES)}"
    if case.dtype not in w.dtypes:
        yield f"{w.name} is not defined in {case.dtype}; it is in: {', '.join(w.dtypes)}"
    if (counterpart := device.device_dtype(case.dtype, case.device_type)) != case.dtype:
        yield f"{case.dtype} exists on CUDA devices only; its counterpart on {_a(case)} is {counterpart}"
    if case.dtype == "fp16" and case.device_type == "cpu" and not precision.native_fp16():
        yield "this CPU has no fp16 arithmetic: torch would emulate it, up to hundreds of times slower than fp32"


def _a(case: Case) -> str:
    """The device of a case with its article: ``a CPU``."""
    return "a CPU" if case.device_type == "cpu" else f"an {device.ACCELERATORS[case.device_type].title}"


def _variant_reasons(w: Workload, case: Case) -> Iterator[str]:
    for part in case.variant_parts:
        if part not in ALL_VARIANTS:
            yield f"no variant {part!r}; there are: {', '.join(ALL_VARIANTS)}, or several joined by '+'"
        if part in TUNINGS:
            reason = TUNINGS[part].why_not(w.kind, case.device_type, case.variant_parts)
            yield from (reason,) if reason else ()
        elif part not in (*w.variants, AUTOCAST):
            yield f"{w.name} has no variant {part!r}; it has: {', '.join(w.variants)}"
    if AUTOCAST in case.variant_parts:
        if case.dtype not in HALF_DTYPES:
            yield f"autocast is a variant of {' and '.join(HALF_DTYPES)}, not of {case.dtype}"
        if w.casting is Casting.AUTOCAST:
            yield f"{w.name} trains: in {case.dtype} it runs under autocast in every variant"
    if "cuda_graph" not in case.variant_parts:
        return
    if not (case.device_type in device.ACCELERATORS and device.ACCELERATORS[case.device_type].has_graphs):
        yield f"CUDA graphs exist on CUDA devices only; the counterpart of cuda_graph on {_a(case)} is eager"
    if "compile" in case.variant_parts:
        yield "cuda_graph cannot be joined with compile: torch.compile has its own mode to capture CUDA graphs"
    if case.caches == "cold":
        yield "cold caches are not defined with cuda_graph: it copies each batch, which leaves it in the cache"
