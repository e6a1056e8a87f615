"""The top of the page: the answers in sentences, and the table with one row per workload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench_core.analysis.best import best_of_each
from bench_core.analysis.causes import Cause, Key
from bench_core.analysis.comparison import Comparison, Result, Verdict
from bench_core.analysis.gpu_bounds import Potential, best_of_workloads
from bench_core.analysis.speedup import Curve, time_rank
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.records import Run
from bench_core.core.text import counted
from bench_core.report.answers import answer, overall
from bench_core.report.plots.series import MachineLabels
from bench_core.report.tables import marks
from bench_core.report.tables.cause_columns import SHOWN, regime_columns
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.summary_columns import (
    WORKLOAD,
    best_throughput,
    bound_column,
    curve_columns,
    throughput,
    verdict_columns,
)
from bench_core.report.tables.table import Table, table

MAX_ANSWERS = 3
"""Up to this many workloads each have their answer at the top; of more, only counts are given."""
ONE_PROCESS = (
    "Confidence intervals (CI) are from one process; a difference of a few percent may not be reproduced by the next "
    "run."
)


def primary_curves(candidates: Iterable[Curve]) -> list[Curve]:
    """One curve per workload and GPU: fp32 and eager if measured, then the one with most batch sizes."""
    return list(best_of_each(candidates, _place, _rank).values())


def _place(curve: Curve) -> tuple[str, str, str]:
    side = next(row.contender for row in curve.rows if row.contender)
    return curve.rows[0].case.workload, side.machine.hardware, side.case.device


def _rank(curve: Curve) -> tuple[bool, bool, bool, int]:
    """Lower is better."""
    case = curve.rows[0].case
    return not curve.measured, case.dtype != "fp32", case.variant != "eager", -len(curve.measured)


def headlines(
    runs: Iterable[Run], primary: Sequence[Curve], threads: Iterable[Comparison], labels: MachineLabels
) -> Iterable[str]:
    """The answers of each machine, and what the threads of the CPU are worth."""
    names = {run.info.machine.hardware: run.info.machine.label for run in runs}
    for hardware, letter in labels.items():
        own = [c for c in primary if any(r.contender and r.contender.machine.hardware == hardware for r in c.rows)]
        if own:
            counts = overall(own) if len(own) > MAX_ANSWERS else ""
            yield f"Machine {letter}, {names[hardware]}: {counts}".strip()
        if len(own) <= MAX_ANSWERS:
            yield from (f"{curve.rows[0].case.workload}: {answer(curve).sentence}" for curve in own)
    yield from _threads([c for c in threads if c.ratio is not None])


def _threads(measured: Sequence[Comparison]) -> Iterable[str]:
    judged = [c for c in measured if not c.contended]
    left_out = len(measured) - len(judged)
    if judged:
        faster = sum(c.verdict == Verdict.FASTER for c in judged)
        of_all = f"{faster} of {counted(len(judged), 'case', 'cases')} measured with both"
        more = f" ({left_out} more {'is' if left_out == 1 else 'are'} not judged: {BESIDE_OTHER_WORK})"
        yield f"All usable CPU cores are faster than one thread in {of_all}{more if left_out else ''}."
    elif measured:
        cases = f"{counted(left_out, 'case', 'cases')} {'was' if left_out == 1 else 'were'} {BESIDE_OTHER_WORK}"
        yield f"Whether all usable CPU cores are faster than one thread is not judged: {cases}."


def gpu_summary(primary: Sequence[Curve], results: Iterable[Result], columns: Columns) -> Table | None:
    """One row per workload and GPU: is it worth it."""
    with_gpu = {curve.rows[0].case.workload for curve in primary}
    without = dict.fromkeys(r.case.workload for r in results if r.case.workload not in with_gpu)
    notes = [
        "Each row is fp32 in eager mode if that was measured, in the setting with most batch sizes. All other results "
        "are in the sections of the workloads.",
        ONE_PROCESS,
    ]
    if without:
        notes.append(f"Not measured on a GPU: {', '.join(without)}. Reasons, if known, are under 'What was not run'.")
    return table("CPU against GPU, matched", (WORKLOAD, *curve_columns(columns)), primary, notes)


def gpu_brief(primary: Sequence[Curve], columns: Columns) -> Table | None:
    """The same in few columns: whether the GPU is worth it, from where on, and by how much."""
    return table("CPU against GPU, matched", (WORKLOAD, *verdict_columns(columns)), primary)


def cpu_summary(results: Sequence[Result], columns: Columns) -> Table | None:
    """The case with the highest throughput of each workload and machine, of those that are not contended if any."""
    best = _fastest(results)
    notes = [
        "Each row is the case with the highest throughput of its workload. All other results are in the sections of "
        "the workloads.",
        ONE_PROCESS,
        *marks.of_best(results),
        *marks.of_results(best),
    ]
    return table("Highest throughput of each workload", best_throughput(columns), best, notes)


def _fastest(results: Iterable[Result]) -> list[Result]:
    """The result of each workload and machine with the highest throughput."""
    return list(best_of_each(results, lambda r: (r.machine.hardware, r.case.workload), time_rank).values())


def cpu_brief(
    results: Sequence[Result], causes: Mapping[Key, Cause], potentials: Sequence[Potential], columns: Columns
) -> Table | None:
    """The highest throughput of each workload, what bounds it, and what a GPU could give at most."""
    bounds, gpu = best_of_workloads(potentials), SHOWN[-1]

    def bound(result: Result) -> float | None:
        known = bounds.get((result.machine.hardware, result.case.workload))
        return known.of(gpu) if known else None

    shown = (*throughput(columns), *regime_columns(causes), bound_column(gpu, bound))
    best = _fastest(results)
    return table("Highest throughput of each workload", shown, best, marks.of_results(best))
