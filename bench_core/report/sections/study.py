"""A study's section of the page, and which of several runs' studies counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench_core.core.records import Run, oldest_first
from bench_core.report.plots.charts import Plot
from bench_core.report.tables.table import Table


@dataclass(frozen=True)
class Study:
    """One study: a question asked beside the sweep, with an answer of its own."""

    name: str
    about: str
    sentences: tuple[str, ...]
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]


def newest(runs: Iterable[Run], study: str) -> list[Run]:
    """The newest run of each machine that has rows of a study.

    As with figures, only runs with the software of that machine's newest run count.
    """
    ordered = oldest_first(runs)
    software = {run.info.machine.hardware: run.info.machine.software for run in ordered}
    latest = {
        run.info.machine.hardware: run
        for run in ordered
        if study in run.info.studies and run.info.machine.software == software[run.info.machine.hardware]
    }
    return list(latest.values())
