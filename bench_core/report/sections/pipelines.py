"""Where pipelines spend their time: a table and a picture of stages for each workload that has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench_core.analysis.comparison import Result
from bench_core.core import text
from bench_core.core.results import Stages
from bench_core.report.plots import series
from bench_core.report.plots.charts import Plot, file_name
from bench_core.report.plots.series import Bar, MachineLabels, StackChart
from bench_core.report.sections.study import Study
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Column, Table, table

NAME = "Where pipelines spend their time"


def pipelines(figures: Iterable[Result], columns: Columns) -> Study | None:
    """The section: for each workload with stages a stacked bar and a row a case; ``None`` where there is none."""
    groups = _by_workload(figures)
    if not groups:
        return None
    about = (
        "Each stage is waited for before the next one begins. Stages that overlap in a whole call, as when a GPU "
        "computes while the next batch is loaded, therefore add up to more than it. With worker processes, load is the "
        "time spent waiting for them."
    )
    plots = tuple(_plot(name, own, columns.labels) for name, own in groups.items())
    return Study(
        NAME, about, (), plots, tuple(made for made in (_table(*item, columns) for item in groups.items()) if made)
    )


def _table(name: str, own: Sequence[Result], columns: Columns) -> Table | None:
    """A row a case and a column a stage."""
    cells = (*columns.case(), *(_stage(stage) for stage in _names(own)), *_SUMS)
    return table(f"{name}, time per {own[0].record.unit}", cells, own)


def _by_workload(figures: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for figure in figures:
        if figure.record.stages:
            found.setdefault(figure.case.workload, []).append(figure)
    return found


def _stages(figure: Result) -> Stages:
    assert figure.record.stages is not None, "only figures with stages come here"
    return figure.record.stages


def _names(figures: Sequence[Result]) -> list[str]:
    """The stages of all figures in order, by the figure that has most."""
    by_size = sorted((_stages(f).seconds for f in figures), key=len, reverse=True)
    return list(dict.fromkeys(name for seconds in by_size for name in seconds))


def _stage(name: str) -> Column[Result]:
    def cell(figure: Result) -> str:
        stages = _stages(figure)
        if name not in stages.seconds:
            return text.NONE
        seconds = stages.seconds[name]
        return f"{text.seconds(seconds / figure.record.units)} ({100 * seconds / stages.whole:.1f}%)"

    return Column(name.capitalize(), cell, numeric=True)


_SUMS: tuple[Column[Result], ...] = (
    Column("Whole", lambda f: text.seconds(_stages(f).whole / f.record.units), numeric=True),
    Column("Sum / whole", lambda f: f"{100 * _stages(f).share:.1f}%", numeric=True),
    Column("Repeats", lambda f: text.whole(_stages(f).repeats), numeric=True),
)


def _plot(workload: str, figures: Sequence[Result], labels: MachineLabels) -> Plot:
    unit, footer = figures[0].record.unit, series.machines_footer(figures, labels)
    chart = StackChart(
        title=workload,
        subtitle="Where its time goes, stage by stage",
        footer=footer,
        axis=f"Time per {unit}",
        stages=tuple(_names(figures)),
        bars=tuple(map(_bar, _labels(figures, labels), figures)),
    )
    alt = f"{workload}: time per {unit} of each stage, a bar a case. The figures are in the table below."
    caption = f"Time per {unit} by stage; the black mark is a whole call, timed in turn with the stages. {footer}"
    return Plot(file_name(workload, "stages"), chart, alt, caption)


def _bar(label: str, figure: Result) -> Bar:
    stages, units = _stages(figure), figure.record.units
    return Bar(label, {name: seconds / units for name, seconds in stages.seconds.items()}, stages.whole / units)


def _labels(figures: Sequence[Result], labels: MachineLabels) -> list[str]:
    """What distinguishes each bar: setting, dtype, variant, machine, batch and device."""
    others = series.distinguishing(figures, labels)
    batches = [f"b{f.case.batch_size}" for f in figures]
    devices = [series.device_words(f) for f in figures]
    parts = [others, *(part for part in (batches, devices) if len(set(part)) > 1)]
    names = [", ".join(word for word in words if word) for words in zip(*parts, strict=True)]
    return [name or device for name, device in zip(names, devices, strict=True)]
