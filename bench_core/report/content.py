"""The report's content: texts, tables and plots in the order of the page. Knows no template and no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench_core.analysis.causes import Cause, Key, Limits, causes, limits
from bench_core.analysis.comparison import Comparison, Result
from bench_core.analysis.gpu_bounds import Potential, potentials
from bench_core.analysis.speedup import Curve, Pool, best_against_best, curves, pool, threads, variant_comparisons
from bench_core.core.records import Run
from bench_core.report import disturbed, facts
from bench_core.report.answers import answer
from bench_core.report.glossary import METHOD, TERMS
from bench_core.report.plots.charts import Plot, threads_plot, variant_plots, workload_plots
from bench_core.report.plots.overview import cpu_overview, gpu_overview
from bench_core.report.plots.series import MachineLabels
from bench_core.report.prices import NO_PRICES, Prices
from bench_core.report.sections import causes as reasons
from bench_core.report.sections.claims import claims
from bench_core.report.sections.course import course
from bench_core.report.sections.ladder import ladder
from bench_core.report.sections.learning import learning
from bench_core.report.sections.parity import parity
from bench_core.report.sections.pipelines import pipelines
from bench_core.report.sections.rules import rules
from bench_core.report.sections.scaling import scaling
from bench_core.report.sections.study import Study
from bench_core.report.summary import cpu_summary, gpu_summary, headlines, primary_curves
from bench_core.report.tables import marks
from bench_core.report.tables.cause_columns import cause_columns, cause_of
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Folded, Table, table

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


@dataclass(frozen=True)
class Content:
    """The whole report. ``gpu_measured`` is false if no result is from a GPU; ``contended`` and ``left`` are lists of
    cases: those measured beside other work, and those not run for one common reason. ``cases`` is the table of a page
    that compares two runs case by case."""

    title: str
    subtitle: str
    warnings: tuple[str, ...]
    gpu_measured: bool
    answers: tuple[str, ...]
    summary: Table | None
    overview: tuple[Plot, ...]
    machines: Table
    runs: Table
    families: Mapping[str, tuple[Section, ...]]
    best: Table | None
    threads: Table | None
    studies: tuple[Study, ...]
    not_run: Table | None
    left: tuple[Folded, ...]
    notes: tuple[str, ...]
    contended: tuple[Folded, ...]
    terms: tuple[tuple[str, str], ...]
    method: tuple[str, ...]
    cases: Table | None = None

    @property
    def plots(self) -> tuple[Plot, ...]:
        """All plots, in the order of the page."""
        sections = [section for family in self.families.values() for section in family]
        of_studies = (plot for study in self.studies for plot in study.plots)
        shown = (*self.overview, *(plot for section in sections for plot in section.plots), *of_studies)
        return tuple(one for plot in shown for one in plot.both)


@dataclass(frozen=True)
class Analysis:
    """Everything computed from the runs, before it is put into words. ``potentials`` are those of machines of which no
    GPU was measured."""

    runs: tuple[Run, ...]
    pooled: Pool
    curves: tuple[Curve, ...]
    best: tuple[Comparison, ...]
    threads: tuple[Comparison, ...]
    variants: tuple[Comparison, ...]
    labels: MachineLabels
    limits: Limits
    causes: Mapping[Key, Cause]
    potentials: tuple[Potential, ...]

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison, for the CSV."""
        return (*(row for curve in self.curves for row in curve.rows), *self.best, *self.threads, *self.variants)


def analyze(runs: Sequence[Run]) -> Analysis:
    """Pool the runs and make all comparisons."""
    pooled, known = pool(runs), limits(runs)
    undivided = replace(pooled, results=tuple(r for r in pooled.results if r.case.ranks is None))
    why = causes(pooled.results, known)
    with_gpu = {result.machine.hardware for result in pooled.results if result.on_gpu}
    return Analysis(
        runs=tuple(runs),
        pooled=pooled,
        curves=curves(undivided),
        best=best_against_best(undivided),
        threads=threads(undivided),
        variants=variant_comparisons(undivided),
        labels=facts.machine_labels(runs),
        limits=known,
        causes=why,
        potentials=potentials(cause for (hardware, _), cause in why.items() if hardware not in with_gpu),
    )


def content(analysis: Analysis, prices: Prices = NO_PRICES) -> Content:
    """Put the analysis into words, tables and plots; ``prices`` are those of an hour of each device."""
    columns = Columns(analysis.labels, prices)
    primary = primary_curves(analysis.curves)
    results = analysis.pooled.results
    gpu_measured = any(result.on_gpu for result in results)
    plots = _overview(analysis, primary, gpu_measured)
    missing = facts.without_result(analysis.runs)
    workloads = len({result.case.workload for result in results})
    return Content(
        title="Is the GPU worth it?" if gpu_measured else "How fast is this CPU?",
        subtitle=facts.subtitle(analysis.runs, len(results), workloads),
        warnings=(
            *facts.emulated_machines(analysis.runs, analysis.labels),
            *disturbed.busy_runs(analysis.runs, analysis.pooled, analysis.labels),
            *facts.partial_runs(analysis.runs, analysis.pooled, analysis.labels),
        ),
        gpu_measured=gpu_measured,
        answers=tuple(headlines(analysis.runs, primary, analysis.threads, analysis.labels)),
        summary=(gpu_summary(primary, results, columns) if gpu_measured else cpu_summary(results, columns)),
        overview=tuple(plot for plot in plots if plot is not None),
        machines=facts.machines(analysis.runs, analysis.labels),
        runs=facts.runs_table(analysis.runs, analysis.pooled, analysis.labels),
        families=_families(analysis, columns),
        best=table(
            "Best CPU case against best GPU case",
            columns.best(),
            analysis.best,
            [*marks.of_best(results), *marks.of_sides(analysis.best)],
        ),
        threads=table(
            "Cases measured with one thread and with all cores",
            columns.threads(),
            analysis.threads,
            marks.of_sides(analysis.threads),
        ),
        studies=tuple(study for study in _studies(analysis, primary, columns) if study),
        not_run=facts.not_run(missing, analysis.labels),
        left=tuple(facts.left(missing, analysis.labels)),
        notes=tuple(facts.skipped(analysis.runs, analysis.pooled)),
        contended=tuple(disturbed.contended_cases(results, analysis.labels)),
        terms=TERMS,
        method=METHOD,
    )


def _overview(analysis: Analysis, primary: Sequence[Curve], gpu_measured: bool) -> Sequence[Plot | None]:
    """The pictures of the first screen. Without a GPU, what bounds the work includes what threads give."""
    labels = analysis.labels
    if gpu_measured:
        return gpu_overview(primary, analysis.causes, labels), threads_plot(analysis.threads, labels)
    why = cpu_overview(analysis.causes, analysis.threads, analysis.potentials, labels)
    return (why or threads_plot(analysis.threads, labels),)


def _studies(analysis: Analysis, primary: Sequence[Curve], columns: Columns) -> Iterable[Study | None]:
    yield reasons.why(analysis.limits, analysis.causes, analysis.labels)
    yield reasons.potential(analysis.potentials, columns)
    yield claims(analysis.runs, analysis.pooled.results, primary)
    yield scaling(analysis.pooled.results, columns)
    yield parity(analysis.pooled.results, columns)
    yield pipelines(analysis.pooled.results, columns)
    yield learning(analysis.runs, analysis.labels)
    yield ladder(analysis.runs, analysis.labels)
    yield course(analysis.runs, analysis.labels)
    yield rules(analysis.runs, analysis.pooled.results, analysis.comparisons, len(analysis.causes))


def _families(analysis: Analysis, columns: Columns) -> Mapping[str, tuple[Section, ...]]:
    workloads: dict[str, list[Result]] = {}
    for result in analysis.pooled.results:
        workloads.setdefault(result.case.workload, []).append(result)
    families: dict[str, list[Section]] = {}
    for name, results in workloads.items():
        section = _section(name, results, analysis, columns)
        families.setdefault(results[0].record.family, []).append(section)
    return {family: tuple(sections) for family, sections in families.items()}


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
        table("CPU against GPU, all curves", columns.curve(), own if len(own) > 1 else ()),
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
        plots=(*workload_plots(results, own, analysis.labels), *variant_plots(own_variants, analysis.labels)),
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
