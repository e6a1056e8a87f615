"""Where pipelines spend their time: a table and a picture of stages for each workload that has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench_core import text
from bench_core.report import series
from bench_core.report.charts import Plot, file_name
from bench_core.report.columns import Columns
from bench_core.report.series import Bar, Letters, StackChart
from bench_core.report.study import Study
from bench_core.report.tables import Column, Table, table
from bench_core.speedup import Figure
from bench_core.stages import Stages

NAME = "Where pipelines spend their time"


def pipelines(figures: Iterable[Figure], columns: Columns) -> Study | None:
    """The section: for each workload with stages a stacked bar and a row a case; ``None`` where there is none."""
    groups = _by_workload(figures)
    if not groups:
        return None
    about = (
        "Each stage is waited for before the next one begins. Stages that overlap in a whole call, as when a GPU "
        "computes while the next batch is loaded, therefore add up to more than it. With worker processes, load is the "
        "time spent waiting for them."
    )
    plots = tuple(_plot(name, own, columns.letters) for name, own in groups.items())
    return Study(
        NAME, about, (), plots, tuple(made for made in (_table(*item, columns) for item in groups.items()) if made)
    )


def _table(name: str, own: Sequence[Figure], columns: Columns) -> Table | None:
    """A row a case and a column a stage."""
    cells = (*columns.case(), *(_stage(stage) for stage in _names(own)), *_SUMS)
    return table(f"{name}, time per {own[0].record.unit}", cells, own)


def _by_workload(figures: Iterable[Figure]) -> dict[str, list[Figure]]:
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.record.stages:
            found.setdefault(figure.case.workload, []).append(figure)
    return found


def _stages(figure: Figure) -> Stages:
    assert figure.record.stages is not None, "only figures with stages come here"
    return figure.record.stages


def _names(figures: Sequence[Figure]) -> list[str]:
    """The stages of all figures in order, by the figure that has most."""
    by_size = sorted((_stages(f).seconds for f in figures), key=len, reverse=True)
    return list(dict.fromkeys(name for seconds in by_size for name in seconds))


def _stage(name: str) -> Column[Figure]:
    def cell(figure: Figure) -> str:
        stages = _stages(figure)
        if name not in stages.seconds:
            return text.NONE
        seconds = stages.seconds[name]
        return f"{text.seconds(seconds / figure.record.units)} ({100 * seconds / stages.whole:.1f}%)"

    return Column(name.capitalize(), cell, numeric=True)


_SUMS: tuple[Column[Figure], ...] = (
    Column("Whole", lambda f: text.seconds(_stages(f).whole / f.record.units), numeric=True),
    Column("Sum / whole", lambda f: f"{100 * _stages(f).share:.1f}%", numeric=True),
    Column("Repeats", lambda f: text.whole(_stages(f).repeats), numeric=True),
)


def _plot(workload: str, figures: Sequence[Figure], letters: Letters) -> Plot:
    unit, footer = figures[0].record.unit, series.machines_footer(figures, letters)
    chart = StackChart(
        title=workload,
        subtitle="Where its time goes, stage by stage",
        footer=footer,
        axis=f"Time per {unit}",
        stages=tuple(_names(figures)),
        bars=tuple(map(_bar, _labels(figures, letters), figures)),
    )
    alt = f"{workload}: time per {unit} of each stage, a bar a case. The figures are in the table below."
    caption = f"Time per {unit} by stage; the black mark is a whole call, timed in turn with the stages. {footer}"
    return Plot(file_name(workload, "stages"), chart, alt, caption)


def _bar(label: str, figure: Figure) -> Bar:
    stages, units = _stages(figure), figure.record.units
    return Bar(label, {name: seconds / units for name, seconds in stages.seconds.items()}, stages.whole / units)


def _labels(figures: Sequence[Figure], letters: Letters) -> list[str]:
    """What tells each bar from the others: setting, dtype, variant, machine, batch and device."""
    told = series.telling(figures, letters)
    batches = [f"b{f.case.batch_size}" for f in figures]
    devices = [series.device_words(f) for f in figures]
    parts = [told, *(part for part in (batches, devices) if len(set(part)) > 1)]
    labels = [", ".join(word for word in words if word) for words in zip(*parts, strict=True)]
    return [label or device for label, device in zip(labels, devices, strict=True)]
