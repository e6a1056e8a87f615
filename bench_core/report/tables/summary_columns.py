"""The columns of the summary at the top: of curves of speedups, and, without a GPU, of the best results."""

from __future__ import annotations

from collections.abc import Callable

from bench_core.analysis.comparison import Comparison, Result
from bench_core.analysis.speedup import Curve
from bench_core.core import text
from bench_core.report.answers import answer, crossover_cell
from bench_core.report.tables.columns import Columns, threads_cell, time_cell
from bench_core.report.tables.table import Column, Link

WORKLOAD = Column[Curve]("Workload", lambda c: Link(c.rows[0].case.workload, c.rows[0].case.workload))


def curve_columns(columns: Columns) -> tuple[Column[Curve], ...]:
    """The summary of a curve of matched speedups, with the absolute times of its peak."""
    return (
        *verdict_columns(columns),
        Column("CPU time/unit", lambda c: time_cell(c.peak.base if c.peak else None), numeric=True),
        Column("GPU time/unit", lambda c: time_cell(c.peak.contender if c.peak else None), numeric=True),
        Column("CPU threads", lambda c: threads_cell(c.peak.base if c.peak else None), numeric=True, once=True),
        Column("Case", lambda c: _case_words(c.rows[0]), once=True),
    )


def verdict_columns(columns: Columns) -> tuple[Column[Curve], ...]:
    """Whether the GPU is worth it, from which batch size on, and by how much at most."""
    return (
        Column("Machine", lambda c: columns.machine(next(iter(c.measured or c.rows))), once=True),
        Column("Worth it?", lambda c: answer(c).cell),
        Column("Crossover batch", crossover_cell),
        Column("Largest R (CI)", _peak, numeric=True),
        Column("At batch size", lambda c: text.whole(c.peak and c.peak.case.batch_size), numeric=True),
    )


def _peak(curve: Curve) -> str:
    if curve.peak is None:
        return text.NONE
    interval = f" ({text.ratio_interval(curve.peak.interval)})" if curve.peak.interval else " (no CI)"
    return f"{text.ratio(curve.peak.ratio)}{interval}"


def _case_words(c: Comparison) -> str:
    """Setting, dtype and variant of a comparison, in words."""
    return ", ".join(part for part in (c.case.setting, c.case.dtype, c.case.variant_label) if part)


def best_throughput(columns: Columns) -> tuple[Column[Result], ...]:
    """The result of a workload with the highest throughput, and which case it is."""
    return (
        *throughput(columns),
        Column("CI", lambda r: text.seconds_interval(r.interval), numeric=True),
        Column("At batch size", lambda r: text.whole(r.case.batch_size), numeric=True),
        Column("Threads", threads_cell, numeric=True),
        Column("Case", lambda r: ", ".join(p for p in (r.case.setting, r.case.dtype, r.case.variant_label) if p)),
    )


def throughput(columns: Columns) -> tuple[Column[Result], ...]:
    """How fast the work of a workload is done."""
    return (
        Column("Workload", lambda r: Link(r.case.workload, r.case.workload)),
        Column("Machine", columns.label, once=True),
        Column("Units/s", lambda r: text.count(r.record.throughput), numeric=True),
        Column("Unit", lambda r: r.record.unit),
        Column("Time per unit", time_cell, numeric=True),
    )


def bound_column(gpu: str, bound: Callable[[Result], float | None]) -> Column[Result]:
    """What a GPU could give at most."""
    return Column(f"{gpu} at most", lambda r: text.ratio(bound(r)), numeric=True)
