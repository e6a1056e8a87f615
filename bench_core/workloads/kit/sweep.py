"""The cases of a sweep, and those that only a full sweep has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from bench_core.core.case import CACHES, DTYPES, SWEEPS, VARIANTS, Case
from bench_core.hardware.device import device_dtype
from bench_core.workloads.kit.definition import Workload, entry


@dataclass(frozen=True)
class Sweep:
    """What was requested; ``None`` means the default of each workload. Work over ranks has none: it is on request.
    ``nodes`` is the number of nodes that the ranks are on, which nobody requests.

    ``kind`` is ``default`` (further settings and a single thread at the reference batch only, nothing that takes very
    long) or ``full``.
    """

    devices: tuple[str, ...]
    usable_cpus: int
    dtypes: tuple[str, ...] = DTYPES[:1]
    variants: tuple[str, ...] = VARIANTS[:1]
    batch_sizes: tuple[int, ...] | None = None
    threads: tuple[int, ...] | None = None
    ranks: tuple[int, ...] = ()
    nodes: int = 1
    caches: tuple[str, ...] = CACHES[:1]
    kind: str = SWEEPS[0]


def candidates(workload: Workload, sweep: Sweep) -> list[Case]:
    """The cases of a workload, including those that cannot be built here."""
    cases: dict[Case, None] = {}
    for device, dtype, variant, caches in product(sweep.devices, sweep.dtypes, sweep.variants, sweep.caches):
        base = Case(workload.name, device, dtype=device_dtype(dtype, device), variant=variant, caches=caches)
        cases |= dict.fromkeys(_points(base, workload, sweep))
    return list(cases)


def too_heavy(workload: Workload, sweep: Sweep) -> list[Case]:
    """The cases that the default sweep leaves out because they take long, and a full sweep includes."""
    default = set(candidates(workload, sweep))
    return [
        case
        for case in candidates(workload, replace(sweep, kind="full"))
        if case not in default
        and (
            workload.heavy
            or case.batch_size in entry(workload.full_batches, case.device)
            or case.setting in entry(workload.full_settings, case.device)
        )
    ]


def _points(base: Case, workload: Workload, sweep: Sweep) -> Iterator[Case]:
    if base.device == "cpu" and workload.gpu_only:
        return
    batches = sweep.batch_sizes or _batches(workload, base.device, sweep)
    settings = tuple(workload.settings) or ("",)
    further = entry(workload.full_settings, base.device)
    for setting in settings:
        if setting in further and sweep.kind == "default":
            continue
        fewer = setting != settings[0] and sweep.kind == "default" and not sweep.batch_sizes and not workload.grid
        for batch in (workload.reference_on(base.device),) if fewer and batches else batches:
            case = replace(base, setting=setting, batch_size=batch)
            yield from _ranks(case, sweep) if workload.over_ranks else _threads(case, workload, sweep)


def _batches(workload: Workload, device: str, sweep: Sweep) -> tuple[int, ...]:
    """The batch sizes of a device. Those of a heavy workload on a CPU are there to be matched with an accelerator's: in
    a default sweep of the CPU alone the first one has to do."""
    batches = workload.batch_sizes(device, sweep.kind)
    alone = workload.heavy and sweep.kind == "default" and sweep.devices == ("cpu",) and not workload.over_ranks
    return batches[:1] if alone else batches


def _ranks(case: Case, sweep: Sweep) -> Iterator[Case]:
    """Each number of ranks. All have the same number of threads a rank, so that they can be compared: the usable cores
    divided among the most ranks, unless another number is asked for."""
    own = (max(1, sweep.usable_cpus // max(sweep.ranks, default=1)),)
    for ranks, threads in product(sweep.ranks, sweep.threads or own if case.device == "cpu" else (None,)):
        yield replace(case, ranks=ranks, nodes=sweep.nodes, threads=threads)


def _threads(case: Case, workload: Workload, sweep: Sweep) -> Iterator[Case]:
    if case.device != "cpu":
        yield case
    elif sweep.threads is not None:
        for threads in sweep.threads:
            yield replace(case, threads=None if threads == sweep.usable_cpus else threads)
    else:
        yield case
        first = case.setting == workload.first_setting
        plain = (case.dtype, case.variant, case.caches) == (DTYPES[0], VARIANTS[0], CACHES[0])
        by_default = first and plain and case.batch_size == workload.reference_on("cpu") and not workload.heavy
        if sweep.usable_cpus > 1 and (by_default or sweep.kind == "full"):
            yield replace(case, threads=1)
