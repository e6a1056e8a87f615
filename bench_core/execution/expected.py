"""What cases are expected to take: from a stored run, or from what is declared of their workloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.execution.schedule import UNKNOWN, UNKNOWN_HEAVY, Cost, Planned, time_limit
from bench_core.storage.files import load
from bench_core.workloads.kit.definition import Workload

NEWEST = 3
"""So many files of a folder are tried."""


def plans(
    cases: Iterable[Case], workload_of: Callable[[Case], Workload], max_time: float, known: Mapping[str, Cost]
) -> dict[str, Planned]:
    """The plan of each case, by its name, from what cases are known to take; ``max_time`` are the seconds of samples
    that a case may take whose workload is not heavy."""

    def plan(case: Case, workload: Workload) -> Planned:
        unknown = UNKNOWN_HEAVY if workload.heavy else UNKNOWN
        return Planned(known.get(case.id, unknown), time_limit(workload, max_time))

    return {case.id: plan(case, workload_of(case)) for case in cases}


def known_costs(folders: Iterable[Path]) -> dict[str, Cost]:
    """What each case took in the newest readable run of the first folder that has one; shards are too little."""
    for folder in folders:
        files = sorted(folder.rglob("*.json"), key=lambda path: (path.name, path.as_posix()), reverse=True)
        for path in files[:NEWEST]:
            try:
                run = load(path)
            except RecordError:
                continue
            if run.info.shard is None:
                return {record.case.id: Cost.of(record) for record in run.records}
    return {}
