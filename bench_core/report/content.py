"""The report's content: texts, tables and plots in the order of the page. Knows no template and no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench_core.analysis.comparison import Comparison, Result, Verdict
from bench_core.analysis.speedup import Curve, Pool, best_against_best, curves, pool, threads, variant_comparisons
from bench_core.core.records import Run
from bench_core.report import facts
from bench_core.report.answers import answer, overall
from bench_core.report.glossary import METHOD, TERMS
from bench_core.report.plots.charts import Plot, overview_plot, threads_plot, variant_plots, workload_plots
from bench_core.report.plots.series import MachineLabels
from bench_core.report.sections.ladder import ladder
from bench_core.report.sections.learning import learning
from bench_core.report.sections.parity import parity
from bench_core.report.sections.pipelines import pipelines
from bench_core.report.sections.study import Study
from bench_core.report.tables.columns import Columns, best_throughput
from bench_core.report.tables.table import Column, Link, Table, table

MAX_ANSWERS = 3
"""Up to this many workloads each have their answer at the top; of more, only counts are given."""
ONE_PROCESS = (
    "Confidence intervals (CI) are from one process; a difference of a few percent may not be reproduced by the next "
    "run."
)
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
    """The whole report. ``gpu_measured`` is false if no result is from a GPU."""

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
    notes: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    method: tuple[str, ...]

    @property
    def plots(self) -> tuple[Plot, ...]:
        """All plots, in the order of the page."""
        sections = [section for family in self.families.values() for section in family]
        of_studies = (plot for study in self.studies for plot in study.plots)
        return (*self.overview, *(plot for section in sections for plot in section.plots), *of_studies)


@dataclass(frozen=True)
class Analysis:
    """Everything computed from the runs, before it is put into words."""

    runs: tuple[Run, ...]
    pooled: Pool
    curves: tuple[Curve, ...]
    best: tuple[Comparison, ...]
    threads: tuple[Comparison, ...]
    variants: tuple[Comparison, ...]
    labels: MachineLabels

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison, for the CSV."""
        return (*(row for curve in self.curves for row in curve.rows), *self.best, *self.threads, *self.variants)


def analyze(runs: Sequence[Run]) -> Analysis:
    """Pool the runs and make all comparisons."""
    pooled = pool(runs)
    return Analysis(
        runs=tuple(runs),
        pooled=pooled,
        curves=curves(pooled),
        best=best_against_best(pooled),
        threads=threads(pooled),
        variants=variant_comparisons(pooled),
        labels=facts.machine_labels(runs),
    )


def content(analysis: Analysis) -> Content:
    """Put the analysis into words, tables and plots."""
    columns = Columns(analysis.labels)
    primary = primary_curves(analysis.curves)
    gpu_measured = any(result.on_gpu for result in analysis.pooled.results)
    plots = (overview_plot(primary, analysis.labels), threads_plot(analysis.threads, analysis.labels))
    workloads = len({result.case.workload for result in analysis.pooled.results})
    return Content(
        title="Is the GPU worth it?" if gpu_measured else "How fast is this CPU?",
        subtitle=facts.subtitle(analysis.runs, len(analysis.pooled.results), workloads),
        warnings=(
            *facts.emulated_machines(analysis.runs, analysis.labels),
            *facts.partial_runs(analysis.runs, analysis.pooled, analysis.labels),
        ),
        gpu_measured=gpu_measured,
        answers=tuple(_answers(analysis, primary)),
        summary=_gpu_summary(primary, analysis, columns) if gpu_measured else _cpu_summary(analysis, columns),
        overview=tuple(plot for plot in plots if plot is not None),
        machines=facts.machines(analysis.runs, analysis.labels),
        runs=facts.runs_table(analysis.runs, analysis.pooled, analysis.labels),
        families=_families(analysis, columns),
        best=table("Best CPU case against best GPU case", columns.best(), analysis.best),
        threads=table("Cases measured with one thread and with all cores", columns.threads(), analysis.threads),
        studies=tuple(study for study in _studies(analysis, columns) if study),
        not_run=facts.not_run(analysis.runs, analysis.labels),
        notes=tuple(facts.skipped(analysis.runs, analysis.pooled)),
        terms=TERMS,
        method=METHOD,
    )


def _studies(analysis: Analysis, columns: Columns) -> Iterable[Study | None]:
    yield parity(analysis.pooled.results, columns)
    yield pipelines(analysis.pooled.results, columns)
    yield learning(analysis.runs, analysis.labels)
    yield ladder(analysis.runs, analysis.labels)


def primary_curves(candidates: Iterable[Curve]) -> list[Curve]:
    """One curve per workload and GPU: fp32 and eager if measured, then the one with most batch sizes."""
    best: dict[tuple[str, str, str], Curve] = {}
    for curve in candidates:
        side = next(row.contender for row in curve.rows if row.contender)
        key = (curve.rows[0].case.workload, side.machine.hardware, side.case.device)
        if key not in best or _rank(curve) > _rank(best[key]):
            best[key] = curve
    return list(best.values())


def _rank(curve: Curve) -> tuple[bool, bool, bool, int]:
    case = curve.rows[0].case
    return bool(curve.measured), case.dtype == "fp32", case.variant == "eager", len(curve.measured)


def _answers(analysis: Analysis, primary: Sequence[Curve]) -> Iterable[str]:
    labels = {run.info.machine.hardware: run.info.machine.label for run in analysis.runs}
    for hardware, letter in analysis.labels.items():
        own = [c for c in primary if any(r.contender and r.contender.machine.hardware == hardware for r in c.rows)]
        if own:
            counts = overall(own) if len(own) > MAX_ANSWERS else ""
            yield f"Machine {letter}, {labels[hardware]}: {counts}".strip()
        if len(own) <= MAX_ANSWERS:
            yield from (f"{curve.rows[0].case.workload}: {answer(curve).sentence}" for curve in own)
    judged = [c for c in analysis.threads if c.ratio is not None]
    faster = sum(c.verdict == Verdict.FASTER for c in judged)
    if judged:
        cases = "1 case" if len(judged) == 1 else f"{len(judged)} cases"
        yield f"All usable CPU cores are faster than one thread in {faster} of {cases} measured with both."


def _gpu_summary(primary: Sequence[Curve], analysis: Analysis, columns: Columns) -> Table | None:
    workload = Column[Curve]("Workload", lambda c: Link(c.rows[0].case.workload, c.rows[0].case.workload))
    with_gpu = {curve.rows[0].case.workload for curve in primary}
    without = dict.fromkeys(r.case.workload for r in analysis.pooled.results if r.case.workload not in with_gpu)
    notes = [
        "Each row is fp32 in eager mode if that was measured, in the setting with most batch sizes. All other results "
        "are in the sections of the workloads.",
        ONE_PROCESS,
    ]
    if without:
        notes.append(f"Not measured on a GPU: {', '.join(without)}. Reasons, if known, are under 'What was not run'.")
    return table("CPU against GPU, matched", (workload, *columns.curve()), primary, notes)


def _cpu_summary(analysis: Analysis, columns: Columns) -> Table | None:
    best: dict[tuple[str, str], Result] = {}
    for result in analysis.pooled.results:
        key = (result.machine.hardware, result.case.workload)
        if key not in best or result.record.per_unit < best[key].record.per_unit:
            best[key] = result
    notes = [
        "Each row is the case with the highest throughput of its workload. All other results are in the sections of "
        "the workloads.",
        ONE_PROCESS,
    ]
    return table("Highest throughput of each workload", best_throughput(columns), best.values(), notes)


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
    tables = (
        table("CPU against GPU, all curves", columns.curve(), own if len(own) > 1 else ()),
        table("Speedups, matched", columns.matched(unit), (row for curve in own for row in curve.rows)),
        table("Other variants and dtypes against eager fp32", columns.variants(unit), own_variants, [VARIANT_RATIO]),
        table("All results", columns.results(unit), ordered),
        table("Cold start, latency and memory", columns.extras(), ordered, unavailable),
    )
    return Section(
        name=name,
        about=facts.about(results),
        facts=facts.work(results),
        sentences=tuple(_sentences(own, analysis.labels)),
        plots=(*workload_plots(results, own, analysis.labels), *variant_plots(own_variants, analysis.labels)),
        tables=tuple(one for one in tables if one is not None),
    )


def _sentences(own: Sequence[Curve], labels: MachineLabels) -> Iterable[str]:
    primary = primary_curves(own)
    for curve in primary:
        side = next(row.contender for row in curve.rows if row.contender)
        where = f"Machine {labels[side.machine.hardware]}: " if len(primary) > 1 else ""
        across = next((row.across_note for row in curve.measured if row.across_note), "")
        yield f"{where}{answer(curve).sentence}{f' This is a comparison {across}.' if across else ''}"
