"""The workloads, one file a family; every ``Workload`` defined in a module of this folder is found by itself."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import torch

from bench_core.build import BuildContext
from bench_core.spec import CACHES, DEVICES, DTYPES, VARIANTS, Case, Step, Workload


@cache
def registry() -> Mapping[str, Workload]:
    """All workloads by name, in the order of their files and of definition within a file."""
    found: dict[str, Workload] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        for value in vars(import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Workload):
                found[value.name] = value
    return MappingProxyType(found)


def names() -> list[str]:
    """The names of all workloads."""
    return list(registry())


def get(name: str) -> Workload:
    """The workload of a name; a ``ValueError`` lists the names there are."""
    if name not in registry():
        raise ValueError(f"no workload {name!r}; there are: {', '.join(names())}")
    return registry()[name]


def build(case: Case, *, data_dir: Path | None = None) -> Step:
    """Build a case into a step that is ready to call.

    ``data_dir`` holds real data sets (see ``--bench-data``). Raises ``ValueError`` for whatever the case names that
    does not exist, and says what does.
    """
    chosen = get(case.workload)
    reason = refusal(case)
    if reason:
        raise ValueError(reason)
    return chosen.build(BuildContext(settled(case), data_dir=data_dir))


def refusal(case: Case) -> str | None:
    """Why a case cannot be built here, in one line; ``None`` if it can."""
    chosen = get(case.workload)
    device, _, index = case.device.partition(":")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", case.device):
        return f"no device {case.device!r}; there are: {', '.join(DEVICES)}"
    if device == "cuda" and not torch.cuda.is_available():
        return "no CUDA device is present here; there is: cpu"
    if device == "cpu" and chosen.gpu_only:
        return f"{chosen.name} needs a CUDA device"
    if index and int(index) >= torch.cuda.device_count():
        return f"no device {case.device!r}; CUDA devices present: {torch.cuda.device_count()}"
    if not chosen.batch_sizes(device, "full"):
        return f"{chosen.name} is not defined on {device}"
    if case.threads is not None and case.threads < 1:
        return f"threads is {case.threads}; it must be a whole number above 0, or None for all usable cores"
    if case.dtype not in DTYPES:
        return f"no dtype {case.dtype!r}; there are: {', '.join(DTYPES)}"
    if case.dtype not in chosen.dtypes:
        return f"{chosen.name} is not defined in {case.dtype}; it is in: {', '.join(chosen.dtypes)}"
    if case.dtype == "tf32" and device == "cpu":
        return "tf32 exists on GPUs only; its counterpart on a CPU is fp32"
    if case.dtype == "fp16" and device == "cpu" and not getattr(torch.cpu, "_is_amx_fp16_supported", bool)():
        return "this CPU has no fp16 arithmetic: torch would emulate it, up to hundreds of times slower than fp32"
    for part in case.variant.split("+"):
        if part not in VARIANTS:
            return f"no variant {part!r}; there are: {', '.join(VARIANTS)}, or several joined by '+'"
        if part not in chosen.variants:
            return f"{chosen.name} has no variant {part!r}; it has: {', '.join(chosen.variants)}"
    if "cuda_graph" in case.variant.split("+") and (reason := _no_graph(case, device)):
        return reason
    if case.caches not in CACHES:
        return f"no caches {case.caches!r}; there are: {', '.join(CACHES)}"
    if isinstance(case.batch_size, bool) or not isinstance(case.batch_size, int) or case.batch_size < 1:
        swept = ", ".join(str(b) for b in chosen.batch_sizes(device, "full"))
        return f"batch size {case.batch_size!r} is no whole number above 0; sweeps take: {swept}"
    if case.setting and case.setting not in chosen.settings:
        return f"{chosen.name} has no setting {case.setting!r}; it has: {', '.join(chosen.settings) or 'none'}"
    if device == "cpu" and case.setting in chosen.gpu_settings:
        return f"{', '.join(chosen.gpu_settings)}: such settings of {chosen.name} need a CUDA device"
    return None


def settled(case: Case) -> Case:
    """The case with its workload's first setting where it names none."""
    settings = get(case.workload).settings
    return replace(case, setting=case.setting or (settings[0] if settings else ""))


def _no_graph(case: Case, device: str) -> str | None:
    if device == "cpu":
        return "CUDA graphs exist on GPUs only; the counterpart of cuda_graph on a CPU is eager"
    if "compile" in case.variant.split("+"):
        return "cuda_graph cannot be joined with compile: compiled work is recorded by a mode of torch.compile's own"
    if case.caches == "cold":
        return "cold caches are not defined with cuda_graph: it copies each batch, which leaves it in the cache"
    return None
