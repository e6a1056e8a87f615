"""Where pipelines spend their time: a table and a plot of stages for each workload that has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench_core.analysis.comparison import Result
from bench_core.core import text
from bench_core.core.results import FlagCode, Stages
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import Bar, StackChart
from bench_core.report.plots.charts import Plot, file_name
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.study import Study
from bench_core.report.tables import marks
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Column, Table, table

NAME = "Where pipelines spend their time"
SUMS = "; a percentage marks stages that do not add up to the whole call"


def pipelines(results: Iterable[Result], columns: Columns) -> Study | None:
    """The section: for each workload with stages, one stacked bar and one row per case; ``None`` without any."""
    groups = _by_workload(results)
    if not groups:
        return None
    about = (
        "Stages are timed one at a time: each is finished before the next begins. In a whole call stages may overlap, "
        "for example when a GPU computes while the next batch is loaded; their times then add up to more than the "
        "whole call. With worker processes, load is the time spent waiting for them. Where the sum is not within "
        "5% of the whole call, it is flagged."
    )
    plots = tuple(_plot(name, own, columns.labels) for name, own in groups.items())
    tables = (_table(name, own, columns) for name, own in groups.items())
    return Study(NAME, about, (), plots, tuple(one for one in tables if one))


def _table(name: str, own: Sequence[Result], columns: Columns) -> Table | None:
    """One row per case and one column per stage."""
    cells = (*columns.case(), *(_stage(stage) for stage in _names(own)), *_SUMS)
    return table(f"{name}, time per {own[0].record.unit}", cells, own, marks.of_results(own))


def _by_workload(results: Iterable[Result]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        if result.record.stages:
            groups.setdefault(result.case.workload, []).append(result)
    return groups


def _stages(result: Result) -> Stages:
    assert result.record.stages is not None, "results without stages are filtered out before"
    return result.record.stages


def _names(results: Sequence[Result]) -> list[str]:
    """The stages of all results, in the order of the result that has most."""
    by_size = sorted((_stages(result).seconds for result in results), key=len, reverse=True)
    return list(dict.fromkeys(name for seconds in by_size for name in seconds))


def _stage(name: str) -> Column[Result]:
    def cell(result: Result) -> str:
        stages = _stages(result)
        if name not in stages.seconds:
            return text.NONE
        seconds = stages.seconds[name]
        return f"{text.seconds(seconds / result.record.units)} ({100 * seconds / stages.whole:.1f}%)"

    return Column(name.capitalize(), cell, numeric=True)


def _doubt(result: Result) -> str:
    """What is said of stages that do not add up to the whole call."""
    doubts = [flag.text for flag in result.record.flags if flag.code == FlagCode.STAGES_DO_NOT_ADD_UP]
    return "; ".join(doubts)


_SUMS: tuple[Column[Result], ...] = (
    Column("Whole", lambda r: text.seconds(_stages(r).whole / r.record.units), numeric=True),
    Column("Sum / whole", lambda r: f"{100 * _stages(r).share:.1f}%", numeric=True),
    Column("Flag", _doubt),
    Column("Repeats", lambda r: text.whole(_stages(r).repeats), numeric=True),
)


def _plot(workload: str, results: Sequence[Result], labels: MachineLabels) -> Plot:
    unit = results[0].record.unit
    chart = StackChart(
        title=workload,
        subtitle=f"Where its time goes, stage by stage{SUMS if any(map(_doubt, results)) else ''}",
        footer=series.machines_footer(results, labels),
        axis=f"Time per {unit}",
        stages=tuple(_names(results)),
        bars=tuple(map(_bar, series.case_labels(results, labels), results)),
    )
    alt = f"{workload}: time per {unit} of each stage, one bar per case. The numbers are in the table below."
    return Plot(file_name(workload, "stages"), chart, alt)


def _bar(label: str, result: Result) -> Bar:
    stages, units = _stages(result), result.record.units
    seconds = {name: seconds / units for name, seconds in stages.seconds.items()}
    doubt = text.share(round(stages.share, 2)) if _doubt(result) else ""
    return Bar(label, seconds, stages.whole / units, result.record.contended, doubt)
