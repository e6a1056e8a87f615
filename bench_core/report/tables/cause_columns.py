"""The columns that say what a case is bound by, and what a GPU could give at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from bench_core.analysis.causes import Cause, Key
from bench_core.analysis.comparison import Result
from bench_core.analysis.gpu_bounds import Potential
from bench_core.analysis.regimes import Regime
from bench_core.core import text
from bench_core.core.counts import CallCounts
from bench_core.report.tables.columns import Columns
from bench_core.report.tables.table import Column, Link

PARTS = {
    Regime.HOST: "Operators",
    Regime.LAUNCH: "Launches",
    Regime.LOADER: "Loader",
    Regime.TRANSFER: "Transfers",
    Regime.BANDWIDTH: "Memory traffic",
    Regime.COMPUTE: "Arithmetic",
}
"""What the least time of each part of the work is called."""
SHOWN = ("T4", "RTX 4090", "A100 80GB SXM", "H100 SXM")
"""The GPUs in the table of bounds; the CSV has all."""


def cause_of(causes: Mapping[Key, Cause], result: Result) -> Cause | None:
    """The cause of a result, if it has one."""
    return causes.get((result.machine.hardware, result.case))


def cause_columns(columns: Columns, causes: Mapping[Key, Cause]) -> tuple[Column[Result], ...]:
    """What a case is bound by, and the figures from which that was decided; times are per call."""

    cell = partial(_of_cause, causes)

    def part(regime: Regime) -> Callable[[Cause], str]:
        return lambda cause: text.seconds(cause.bound.parts.get(regime))

    return (
        *columns.case(),
        *regime_columns(causes),
        Column("Time per call", lambda r: text.seconds(r.record.timing.median), numeric=True),
        *(Column(name, cell(part(regime)), numeric=True) for regime, name in PARTS.items()),
        Column("FLOP/s", cell(lambda cause: text.count(cause.flops_per_second)), numeric=True),
        Column("Bytes/s", cell(lambda cause: text.count(cause.bytes_per_second)), numeric=True),
        Column("Number of operators", _count(lambda counts: counts.operators), numeric=True),
        Column("Number of kernels", lambda r: text.whole(r.record.kernels), numeric=True),
    )


def regime_columns(causes: Mapping[Key, Cause]) -> tuple[Column[Result], ...]:
    """What a case is bound by, and how near it is to the ceiling."""
    return (
        Column("Bound by", _of_cause(causes, lambda cause: BOUND_BY[cause.bound.regime])),
        Column("Share of ceiling", _of_cause(causes, lambda cause: text.share(cause.share)), numeric=True),
    )


def _of_cause(causes: Mapping[Key, Cause], of: Callable[[Cause], str]) -> Callable[[Result], str]:
    """A cell made from the cause of a result, if it has one."""
    return lambda result: of(cause) if (cause := cause_of(causes, result)) else text.NONE


BOUND_BY = {regime: str(regime).removesuffix("-bound") for regime in Regime}
"""The regimes as cells under a heading that says "bound"."""


def _count(of: Callable[[CallCounts], int]) -> Callable[[Result], str]:
    return lambda result: text.whole(of(result.record.counts) if result.record.counts else None)


def bound_columns(columns: Columns) -> tuple[Column[Potential], ...]:
    """What GPUs could give at most."""

    def speedup(gpu: str) -> Callable[[Potential], str]:
        return lambda potential: text.ratio(potential.of(gpu))

    return (
        Column("Workload", lambda p: Link(p.cause.result.case.workload, p.cause.result.case.workload)),
        Column("Machine", lambda p: columns.label(p.cause.result), once=True),
        Column("Batch size", lambda p: text.whole(p.cause.result.case.batch_size), numeric=True),
        Column("CPU time per call", lambda p: text.seconds(p.cause.figures.seconds), numeric=True),
        *(Column(gpu, speedup(gpu), numeric=True) for gpu in SHOWN),
        Column("Limited by", lambda p: LIMITED_BY[p.largest.limit]),
    )


LIMITED_BY = {
    "issue": "issuing operators",
    "loader": "the loader",
    "bandwidth": "memory bandwidth",
    "compute": "arithmetic",
}
