"""Which runs of a study count."""

from __future__ import annotations

from collections.abc import Iterable

from bench_core.core.records import Run, oldest_first


def newest(runs: Iterable[Run], study: str) -> list[Run]:
    """The newest run of each machine that has rows of a study.

    As with records, only runs with the software of that machine's newest run count.
    """
    ordered = oldest_first(runs)
    software = {run.info.machine.hardware: run.info.machine.software for run in ordered}
    latest = {
        run.info.machine.hardware: run
        for run in ordered
        if run.info.studies.get(study) and run.info.machine.software == software[run.info.machine.hardware]
    }
    return list(latest.values())
