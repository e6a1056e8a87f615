"""Which cases a sweep holds, which it has to leave out and why, and how long it will take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from bench_core.spec import Case, Workload

HEAVY_FACTOR = 8
"""Heavy workloads get this many times the seconds of others: one of their calls takes longer than a fifth of a second,
and an interval needs six."""


@dataclass(frozen=True)
class Sweep:
    """What was asked for; ``None`` stands for the default of each workload.

    ``kind`` is ``default`` (further settings and one thread at the reference batch only, nothing that takes very long)
    or ``full``.
    """

    devices: tuple[str, ...]
    usable_cpus: int
    dtypes: tuple[str, ...] = ("fp32",)
    variants: tuple[str, ...] = ("eager",)
    batch_sizes: tuple[int, ...] | None = None
    threads: tuple[int, ...] | None = None
    caches: tuple[str, ...] = ("hot",)
    kind: str = "default"


def candidates(workload: Workload, sweep: Sweep) -> list[Case]:
    """The cases of a workload, without asking yet which of them can be built here."""
    found: dict[Case, None] = {}
    for device, dtype, variant, caches in product(sweep.devices, sweep.dtypes, sweep.variants, sweep.caches):
        base = Case(workload.name, device, dtype=_counterpart(dtype, device), variant=variant, caches=caches)
        found |= dict.fromkeys(_points(base, workload, sweep))
    return list(found)


def too_heavy(workload: Workload, sweep: Sweep) -> list[Case]:
    """The cases that a full sweep would add and a default one leaves out because they take long."""
    default = set(candidates(workload, sweep))
    return [
        case
        for case in candidates(workload, replace(sweep, kind="full"))
        if case not in default
        and (
            workload.heavy
            or case.batch_size in workload.full_batches.get(case.device, ())
            or case.setting in workload.full_settings.get(case.device, ())
        )
    ]


def _counterpart(dtype: str, device: str) -> str:
    return "fp32" if dtype == "tf32" and device == "cpu" else dtype


def _points(base: Case, workload: Workload, sweep: Sweep) -> Iterator[Case]:
    if base.device == "cpu" and workload.gpu_only:
        return
    batches = sweep.batch_sizes or workload.batch_sizes(base.device, sweep.kind)
    settings = workload.settings or ("",)
    further = workload.full_settings.get(base.device, ())
    for setting in settings:
        if setting in further and sweep.kind == "default":
            continue
        fewer = setting != settings[0] and sweep.kind == "default" and not sweep.batch_sizes and not workload.grid
        for batch in (workload.reference_batch,) if fewer and batches else batches:
            yield from _threads(replace(base, setting=setting, batch_size=batch), workload, sweep)


def _threads(case: Case, workload: Workload, sweep: Sweep) -> Iterator[Case]:
    if case.device != "cpu":
        yield case
    elif sweep.threads is not None:
        for threads in sweep.threads:
            yield replace(case, threads=None if threads == sweep.usable_cpus else threads)
    else:
        yield case
        first = not workload.settings or case.setting == workload.settings[0]
        plain = (case.dtype, case.variant, case.caches) == ("fp32", "eager", "hot")
        by_default = first and plain and case.batch_size == workload.reference_batch and not workload.heavy
        if sweep.usable_cpus > 1 and (by_default or sweep.kind == "full"):
            yield replace(case, threads=1)


def expected_seconds(case: Case, workload: Workload, max_time: float, known: Mapping[str, float]) -> float:
    """How long a case will take: as long as last time on this machine, else a guess from its time budget."""
    if case.id in known:
        return known[case.id]
    return budget(workload, max_time) * 1.5 if workload.heavy else 0.5 + 0.5 * max_time


def budget(workload: Workload, max_time: float) -> float:
    """Seconds of samples a case of this workload may take."""
    return max_time * HEAVY_FACTOR if workload.heavy else max_time


def in_words(seconds: float) -> str:
    """A duration for people: ``about 4 min``, ``about 30 s``."""
    if seconds < 90:
        return f"about {max(1, round(seconds / 5) * 5 if seconds > 10 else round(seconds))} s"
    return f"about {round(seconds / 60)} min"


def grouped(reasons: Sequence[tuple[Case, str]]) -> dict[tuple[str, str], int]:
    """Cases that cannot run, counted by workload and reason."""
    counts: dict[tuple[str, str], int] = {}
    for case, reason in reasons:
        key = (case.workload, reason)
        counts[key] = counts.get(key, 0) + 1
    return counts
