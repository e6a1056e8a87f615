"""A case that all ranks measure together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench_core.core.case import Case, Effort, Sources
from bench_core.core.records import Record
from bench_core.core.results import Flag, Measurement
from bench_core.execution.runner import run_case
from bench_core.hardware.ranks import Ranks
from bench_core.workloads.kit.definition import Workload


def measure_together(
    workload: Workload, case: Case, effort: Effort, sources: Sources, ranks: Ranks
) -> tuple[Measurement, Record]:
    """Measure a case as ``runner.run_case`` does, on all ranks; the record has the warnings of all of them."""
    measurement, record = run_case(workload, case, effort, sources, ranks=ranks)
    return measurement, replace(record, flags=joined_flags(ranks.gather_all(record.flags)))


def joined_flags(of_ranks: Sequence[Sequence[Flag]]) -> tuple[Flag, ...]:
    """The warnings of all ranks, each kind once; one that the first rank does not have says whose it is."""
    flags = {flag.code: flag for flag in of_ranks[0]}
    for rank, others in enumerate(of_ranks):
        for flag in others:
            flags.setdefault(flag.code, replace(flag, text=f"rank {rank}: {flag.text}"))
    return tuple(flags.values())
