"""Why results take as long as they do: each compared with the ceilings of its machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench_core.analysis.best import best_of_each
from bench_core.analysis.comparison import Result
from bench_core.analysis.regimes import Bound, Figures, bound
from bench_core.analysis.speedup import time_rank
from bench_core.analysis.studies import newest
from bench_core.core.case import Case, cpu_variant
from bench_core.core.ceilings import Ceilings
from bench_core.core.counts import CallCounts
from bench_core.core.records import Record, Run

Key = tuple[str, Case]
"""A machine's hardware and a case."""
Limits = Mapping[tuple[str, str, int], Ceilings]
"""Ceilings by the machine's hardware, the type of the device and the number of CPU threads."""


@dataclass(frozen=True)
class Cause:
    """What a result is bound by, with the figures and the ceilings from which it was decided."""

    result: Result
    figures: Figures
    ceilings: Ceilings
    bound: Bound

    @property
    def share(self) -> float:
        """The share of the time that the longest part of the work needs at the machine's best: how near the case is to
        what this machine can do."""
        return max(self.bound.parts.values()) / self.bound.seconds

    @property
    def flops_per_second(self) -> float | None:
        """The FLOP/s that were reached."""
        return None if self.figures.flops is None else self.figures.flops / self.figures.seconds

    @property
    def bytes_per_second(self) -> float | None:
        """The bytes that were read and written per second, at least."""
        return None if self.figures.bytes is None else self.figures.bytes / self.figures.seconds

    @property
    def intensity(self) -> float | None:
        """FLOPs for each byte that is read or written."""
        flops, bytes_ = self.figures.flops, self.figures.bytes
        return flops / bytes_ if flops and bytes_ else None


def limits(runs: Iterable[Run]) -> Limits:
    """The ceilings of every machine that has some, from its newest run with them."""
    return {
        (run.info.machine.hardware, row.device, row.threads): row
        for run in newest(runs, Ceilings.STUDY)
        for row in run.info.rows(Ceilings)
    }


def causes(results: Iterable[Result], known: Limits) -> Mapping[Key, Cause]:
    """The cause of each result whose machine has ceilings and of which something was counted. Work over ranks has
    none: what one of them does is a part, and ceilings are those of a process alone.

    The replay of a CUDA graph does not show its operators, so those of the same case without it are taken.
    """
    by_case = {(result.machine.hardware, result.case): result for result in results}
    found = {}
    for (hardware, case), result in by_case.items():
        ceilings = known.get((hardware, case.device_type, result.record.threads))
        if ceilings is None or case.ranks is not None:
            continue
        twin = by_case.get((hardware, replace(case, variant=cpu_variant(case.variant))))
        figures = figures_of(result.record, twin.record.counts if twin else None)
        decided = bound(figures, ceilings)
        if decided is not None:
            found[hardware, case] = Cause(result, figures, ceilings, decided)
    return found


def fastest(causes: Iterable[Cause]) -> Mapping[tuple[str, str, str], Cause]:
    """By the machine's hardware, device and workload, the plain case on all cores with the highest throughput."""

    def place(cause: Cause) -> tuple[str, str, str]:
        return cause.result.machine.hardware, cause.result.case.device, cause.result.case.workload

    plain = (cause for cause in causes if cause.result.case.plain and cause.result.case.threads is None)
    return best_of_each(plain, place, lambda cause: time_rank(cause.result))


def figures_of(record: Record, counts: CallCounts | None = None) -> Figures:
    """What a record says about a call; ``counts`` are taken if the record has none."""
    figures = Figures(
        seconds=record.timing.median,
        flops=record.flops,
        dtype=record.case.dtype,
        training=record.kind == "train",
        issue=None if record.case.device_type == "cpu" else record.timing.issue_time,
    )
    if counts := record.counts or counts:
        figures = replace(
            figures,
            operators=counts.operators,
            bytes=counts.bytes,
            footprint=counts.footprint,
            moved=counts.bytes_moved,
        )
    if stages := record.stages:
        others = {*stages.seconds} - {*stages.loading, *stages.moving}
        figures = replace(
            figures, loader=stages.of(stages.loading), transfer=stages.of(stages.moving), others=stages.of(others)
        )
    return figures
