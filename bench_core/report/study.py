"""A study's section of the page, and which of several runs' studies counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench_core.records import Run
from bench_core.report.charts import Plot
from bench_core.report.tables import Table


@dataclass(frozen=True)
class Study:
    """One study: a question asked beside the sweep, with an answer of its own."""

    name: str
    about: str
    sentences: tuple[str, ...]
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]


def newest(runs: Iterable[Run], field: str) -> list[Run]:
    """The newest run of each machine that holds a study (in this field of ``RunInfo``).

    As with figures, only runs with the software of that machine's newest run count.
    """
    ordered = sorted(runs, key=lambda run: (run.info.started, run.info.run_id))
    software = {run.info.machine.hardware: run.info.machine.software for run in ordered}
    found = {
        run.info.machine.hardware: run
        for run in ordered
        if getattr(run.info, field) and run.info.machine.software == software[run.info.machine.hardware]
    }
    return list(found.values())
