"""The report's content: texts, tables and plots in the order of the page. Knows no template and no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench_core.analysis.speedup import Curve
from bench_core.report import disturbed, facts, notable
from bench_core.report.analyzed import Analysis, analyze
from bench_core.report.families import Section, families
from bench_core.report.glossary import METHOD, TERMS
from bench_core.report.off_by_default import off_by_default
from bench_core.report.plots.charts import Plot, threads_plot
from bench_core.report.plots.overview import cpu_overview, gpu_overview
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
from bench_core.report.summary import cpu_brief, cpu_summary, gpu_brief, gpu_summary, headlines, primary_curves
from bench_core.report.tables import marks
from bench_core.report.tables.case_table import all_cases
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Folded, Table, table

__all__ = ["Content", "analyze", "content"]


@dataclass(frozen=True)
class Content:
    """The whole report. ``gpu_measured`` is false if no result is from a GPU; ``contended`` and ``left`` are lists of
    cases: those measured beside other work, and those not run for one common reason. ``cases`` is the table of a page
    that compares two runs case by case, ``all_cases`` that of a report. ``brief`` is the summary in few columns, for a
    pull request."""

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
    notable: tuple[str, ...] = ()
    brief: Table | None = None
    all_cases: Table | None = None

    @property
    def plots(self) -> tuple[Plot, ...]:
        """All plots, in the order of the page."""
        sections = [section for family in self.families.values() for section in family]
        of_studies = (plot for study in self.studies for plot in study.plots)
        shown = (*self.overview, *(plot for section in sections for plot in section.plots), *of_studies)
        return tuple(one for plot in shown for one in plot.both)


def content(analysis: Analysis, prices: Prices = NO_PRICES) -> Content:
    """Put the analysis into words, tables and plots; ``prices`` are those of an hour of each device."""
    columns = Columns(analysis.labels, prices)
    primary = primary_curves(analysis.curves)
    results, undivided = analysis.pooled.results, analysis.pooled.undivided.results
    gpu_measured = any(result.on_gpu for result in results)
    plots = _overview(analysis, primary, gpu_measured)
    missing, off = facts.without_result(analysis.runs), off_by_default(results)
    workloads = len({result.case.workload for result in results})
    return Content(
        title="Is the GPU worth it?" if gpu_measured else "How fast is this CPU?",
        subtitle=facts.subtitle(analysis.runs, len(results), workloads),
        warnings=(
            *facts.other_machines(analysis.at_hand, analysis.others, analysis.labels),
            *facts.emulated_machines(analysis.runs, analysis.labels),
            *disturbed.busy_runs(analysis.runs, analysis.pooled, analysis.labels),
            *facts.partial_runs(analysis.runs, analysis.pooled, analysis.labels),
        ),
        gpu_measured=gpu_measured,
        answers=tuple(headlines(analysis.runs, primary, analysis.threads, analysis.labels)),
        summary=(gpu_summary(primary, undivided, columns) if gpu_measured else cpu_summary(undivided, columns)),
        overview=tuple(plot for plot in plots if plot is not None),
        machines=facts.machines(analysis.runs, analysis.labels),
        runs=facts.runs_table(analysis.runs, analysis.pooled, analysis.labels),
        families=families(analysis, columns),
        best=table(
            "Best CPU case against best GPU case",
            columns.best(),
            analysis.best,
            [*off, *marks.of_best(results), *marks.of_sides(analysis.best)],
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
        notes=(*facts.skipped(analysis.runs, analysis.pooled), *(() if analysis.best else off)),
        contended=tuple(disturbed.contended_cases(results, analysis.labels)),
        terms=TERMS,
        method=METHOD,
        notable=tuple(_notable(analysis, primary, missing)),
        all_cases=all_cases(results, analysis.causes, columns),
        brief=(
            gpu_brief(primary, columns)
            if gpu_measured
            else cpu_brief(undivided, analysis.causes, analysis.potentials, columns)
        ),
    )


def _notable(analysis: Analysis, primary: Sequence[Curve], missing: facts.Missing) -> Iterable[str]:
    yield from notable.of_missing(missing)
    yield from notable.of_speedups(primary)
    yield from notable.of_bounds(analysis.potentials)
    yield from notable.of_threads(analysis.threads)
    yield from reasons.regimes(analysis.causes, analysis.labels)
    yield from notable.of_results(analysis.pooled.results)


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
