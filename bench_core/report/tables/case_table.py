"""The table of all cases, whose rows can be filtered and sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench_core.analysis.causes import Cause, Key
from bench_core.analysis.comparison import Result
from bench_core.core import text
from bench_core.report.plots.series import device_words
from bench_core.report.tables import marks
from bench_core.report.tables.cause_columns import cause_of, regime_columns
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.marks import marked
from bench_core.report.tables.table import Column, Link, Table, table


def all_cases(results: Sequence[Result], causes: Mapping[Key, Cause], columns: Columns) -> Table | None:
    """One row for each case; a column that is the same in all rows is in the caption."""

    def share(result: Result) -> float | None:
        cause = cause_of(causes, result)
        return cause.share if cause else None

    regime, of_ceiling = regime_columns(causes)
    shown: tuple[Column[Result], ...] = (
        Column("Workload", lambda r: Link(r.case.workload, r.case.workload), filter=True),
        Column("Family", lambda r: r.record.family, once=True, filter=True),
        Column("Machine", columns.label, once=True, filter=True),
        Column("Device", device_words, once=True, filter=True),
        Column("Dtype", lambda r: r.case.dtype, once=True, filter=True),
        Column("Variant", lambda r: r.case.variant_label, once=True, filter=True),
        Column("Setting", lambda r: r.case.setting, once=True),
        Column("Batch size", lambda r: text.whole(r.case.batch_size), numeric=True, key=lambda r: r.case.batch_size),
        Column("Unit", lambda r: r.record.unit, once=True),
        Column("Time per unit", _time, numeric=True, key=lambda r: r.record.per_unit),
        Column("Units/s", lambda r: text.count(r.record.throughput), numeric=True, key=lambda r: r.record.throughput),
        Column("Bound by", regime.cell, filter=True),
        Column("Share of ceiling", of_ceiling.cell, numeric=True, key=share),
    )
    return table("All cases", shown, results, marks.of_results(results))


def _time(result: Result) -> str:
    return marked(text.seconds(result.record.per_unit), result.record.contended)
