"""The page of two runs side by side: a picture of all ratios, and a table of the cases that both have."""

from __future__ import annotations

from collections.abc import Iterable

from bench_core.analysis.comparison import DESCRIPTIVE, Comparison, Result, Verdict
from bench_core.analysis.run_comparison import RunComparison
from bench_core.analysis.speedup import Pool
from bench_core.core.text import printable
from bench_core.report import facts
from bench_core.report.comparing import NamedComparison, named, summary
from bench_core.report.content import Content
from bench_core.report.glossary import METHOD, TERMS
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import DotChart, Row
from bench_core.report.plots.charts import GPU_WORDS, Plot
from bench_core.report.plots.series import MachineLabels
from bench_core.report.tables import marks
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Table, table

WORDS = GPU_WORDS | {Verdict.FASTER: "head faster", Verdict.SLOWER: "base faster"}
TITLE = "Two runs side by side"


def side_by_side(c: NamedComparison) -> Content:
    """The content of the page."""
    runs = c.runs
    both = [runs.base, runs.head]
    labels = facts.machine_labels(both)
    results = tuple(Result(record, run.info) for run in both for record in run.records)
    pooled = Pool(results, 0)
    head = " ".join(named.files(c, printable))
    return Content(
        title=TITLE,
        subtitle=f"base {c.base.name}, head {c.head.name}; {len(runs.rows)} cases that both have",
        warnings=(
            *facts.emulated_machines(both, labels),
            *facts.partial_runs(both, pooled, labels),
        ),
        gpu_measured=True,
        answers=(f"{head}: {summary(runs)}. {named.RATIO}", DESCRIPTIVE),
        summary=None,
        overview=(_picture(runs, labels),) if runs.rows[1:] else (),
        machines=facts.machines(both, labels),
        runs=facts.runs_table(both, pooled, labels),
        families={},
        best=None,
        threads=None,
        cases=_cases(runs, Columns(labels)),
        studies=(),
        not_run=None,
        left=(),
        notes=(*named.only_in(runs, printable), *named.notes(c, printable)),
        contended=(),
        terms=TERMS,
        method=METHOD,
    )


def _picture(runs: RunComparison, labels: MachineLabels) -> Plot:
    rows = [Row(name, series.dots(own)) for name, own in _by_workload(runs.rows).items()]
    sides = [side for row in runs.rows for side in (row.base, row.contender) if side]
    chart = DotChart(
        title="Head against base, all workloads",
        subtitle="One dot per case; right of 1 head is faster",
        footer=series.machines_footer(sides, labels, data=False),
        axis="Ratio = time in base / time in head",
        words=WORDS,
        rows=series.by_size(rows),
    )
    alt = "The ratio of the times of both runs for every workload and case. The numbers are in the table."
    return Plot("side_by_side", chart, alt)


def _by_workload(rows: Iterable[Comparison]) -> dict[str, list[Comparison]]:
    groups: dict[str, list[Comparison]] = {}
    for row in rows:
        groups.setdefault(row.case.workload, []).append(row)
    return groups


def _cases(runs: RunComparison, columns: Columns) -> Table | None:
    caption, notes = "Cases that both runs have, slowest first", marks.of_sides(runs.rows)
    return table(caption, columns.side_by_side(), runs.rows, notes)
