"""The sections of the workloads, by family: texts, plots and tables of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench_core.analysis.comparison import Result
from bench_core.analysis.speedup import Curve
from bench_core.report import facts
from bench_core.report.analyzed import Analysis
from bench_core.report.answers import answer
from bench_core.report.plots.charts import Plot, variant_plots, workload_plots
from bench_core.report.plots.distributions import modes_plot
from bench_core.report.plots.series import MachineLabels
from bench_core.report.plots.settings import settings_plots
from bench_core.report.summary import primary_curves
from bench_core.report.tables import marks
from bench_core.report.tables.cause_columns import cause_columns, cause_of
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.summary_columns import curve_columns
from bench_core.report.tables.table import Table, table

VARIANT_RATIO = (
    "R is the time of eager fp32 divided by the time of the other variant or dtype: FASTER means that the other one is "
    "faster."
)


@dataclass(frozen=True)
class Section:
    """One workload."""

    name: str
    about: str
    facts: str
    sentences: tuple[str, ...]
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]


def families(analysis: Analysis, columns: Columns) -> Mapping[str, tuple[Section, ...]]:
    """The sections of all workloads, by their family."""
    workloads: dict[str, list[Result]] = {}
    for result in analysis.pooled.results:
        workloads.setdefault(result.case.workload, []).append(result)
    by_family: dict[str, list[Section]] = {}
    for name, results in workloads.items():
        section = _section(name, results, analysis, columns)
        by_family.setdefault(results[0].record.family, []).append(section)
    return {family: tuple(sections) for family, sections in by_family.items()}


def _section(name: str, results: Sequence[Result], analysis: Analysis, columns: Columns) -> Section:
    own = [curve for curve in analysis.curves if curve.rows[0].case.workload == name]
    own_variants = [row for row in analysis.variants if row.case.workload == name]
    unit = results[0].record.unit
    settings = list(dict.fromkeys(r.case.setting for r in results))
    ordered = sorted(
        results, key=lambda r: (settings.index(r.case.setting), r.case.dtype, r.case.variant_label, r.case.batch_size)
    )
    reasons = dict.fromkeys(
        f"{field.replace('_', ' ')} ({why})" for r in ordered for field, why in r.record.unavailable.items()
    )
    unavailable = [f"Not available: {'; '.join(reasons)}."] if reasons else []
    matched = [row for curve in own for row in curve.rows]
    of_variants, contended = [VARIANT_RATIO, *marks.of_sides(own_variants)], marks.of_results(ordered)
    tables = (
        table("CPU against GPU, all curves", curve_columns(columns), own if len(own) > 1 else ()),
        table("Speedups, matched", columns.matched(unit), matched, marks.of_sides(matched)),
        table("Other variants and dtypes against eager fp32", columns.variants(unit), own_variants, of_variants),
        table("All results", columns.results(unit), ordered, contended),
        table("What it is bound by", cause_columns(columns, analysis.causes), _explained(ordered, analysis), contended),
        table("Cold start and latency", columns.latency(), ordered, contended),
        table(f"Memory{_and_more(ordered, columns)}", columns.costs(unit), ordered, contended),
        table("Precision and compiling", columns.precision(), ordered, [*unavailable, *contended]),
    )
    return Section(
        name=name,
        about=facts.about(results),
        facts=facts.work(results),
        sentences=tuple(_sentences(own, analysis.labels)),
        plots=(
            *workload_plots(results, own, analysis.labels),
            *settings_plots(results, own, analysis.labels),
            *variant_plots(own_variants, analysis.labels),
            *((modes,) if (modes := modes_plot(ordered, analysis.labels)) else ()),
        ),
        tables=tuple(one for one in tables if one is not None),
    )


def _and_more(results: Iterable[Result], columns: Columns) -> str:
    return ", energy and price" if columns.prices or any(result.record.energy for result in results) else ""


def _explained(results: Iterable[Result], analysis: Analysis) -> list[Result]:
    return [result for result in results if cause_of(analysis.causes, result)]


def _sentences(own: Sequence[Curve], labels: MachineLabels) -> Iterable[str]:
    primary = primary_curves(own)
    for curve in primary:
        side = next(row.contender for row in curve.rows if row.contender)
        where = f"Machine {labels[side.machine.hardware]}: " if len(primary) > 1 else ""
        across = next((row.across_note for row in curve.measured if row.across_note), "")
        yield f"{where}{answer(curve).sentence}{f' This is a comparison {across}.' if across else ''}"
