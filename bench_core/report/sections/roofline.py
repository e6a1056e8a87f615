"""Rooflines: for each device of a machine one plot and one table, with the best case of each workload."""

from __future__ import annotations

from collections.abc import Mapping

from bench_core.analysis.causes import Cause
from bench_core.analysis.regimes import Regime
from bench_core.analysis.roofline import Roofline
from bench_core.core import text
from bench_core.core.case import device_title
from bench_core.core.ceilings import Ceilings
from bench_core.report.plots.chart_types import Roof, RooflineChart, RoofPoint
from bench_core.report.plots.charts import Plot, file_name
from bench_core.report.plots.series import MachineLabels, machine_label
from bench_core.report.tables.cause_columns import BOUND_BY
from bench_core.report.tables.marks import footnote, marked
from bench_core.report.tables.table import Column, Link, Table, table

COLUMNS: tuple[Column[tuple[int, Cause]], ...] = (
    Column("No.", lambda row: str(row[0]), numeric=True),
    Column("Workload", lambda row: Link(row[1].result.case.workload, row[1].result.case.workload)),
    Column("Setting", lambda row: row[1].result.case.setting),
    Column("Batch size", lambda row: text.whole(row[1].result.case.batch_size), numeric=True),
    Column("FLOP/byte", lambda row: text.count(row[1].intensity), numeric=True),
    Column("FLOP/s", lambda row: marked(text.count(row[1].flops_per_second), _contended(row[1])), numeric=True),
    Column("Bound by", lambda row: BOUND_BY[row[1].bound.regime]),
    Column("Share of ceiling", lambda row: text.share(row[1].share), numeric=True),
)


def roofline_table(roofline: Roofline, labels: MachineLabels) -> Table | None:
    """The points of the plot, by their numbers."""
    caption = f"{_title(roofline)}: machine {labels[roofline.hardware]}"
    return table(caption, COLUMNS, enumerate(roofline.causes, 1), footnote(map(_contended, roofline.causes)))


def roofline_plot(roofline: Roofline, labels: MachineLabels) -> Plot | None:
    """FLOP/s over FLOP/byte; ``None`` for less than two workloads, which need no plot."""
    if len(roofline.causes) < 2:
        return None
    letter, machine = labels[roofline.hardware], roofline.causes[0].result.machine
    present = {cause.bound.regime for cause in roofline.causes}
    chart = RooflineChart(
        title=_title(roofline),
        subtitle="FLOP/s over FLOP/byte of the best case of each workload in eager fp32; the table has the numbers",
        footer=f"{machine_label(letter, machine)}. Ceilings: measured, on this machine.",
        roofs=_roofs(roofline.ceilings),
        groups=tuple(str(regime) for regime in Regime if regime in present),
        points=tuple(_point(number, cause) for number, cause in enumerate(roofline.causes, 1)),
    )
    alt = f"{_title(roofline)}: FLOP/s of each workload over its FLOP/byte, below the ceilings. "
    return Plot(
        file_name("roofline", letter, roofline.device), chart, f"{alt}The numbers are in the table below.", wide=True
    )


def _title(roofline: Roofline) -> str:
    return f"Roofline of the {device_title(roofline.device)}"


def _roofs(ceilings: Ceilings) -> tuple[Roof, ...]:
    """The peak in fp32, and the speeds of memory and of the caches."""
    memory, cache = ceilings.memory[-1].speed, max(point.speed for point in ceilings.memory)
    peak = ceilings.peak("fp32")
    speeds: Mapping[str, float] = {"memory": memory} | ({"caches": cache} if cache > memory else {})
    roofs = tuple(Roof(f"{name}, {text.count(speed)} B/s", bandwidth=speed) for name, speed in speeds.items())
    return (*((Roof(f"fp32, {text.count(peak)} FLOP/s", flops=peak),) if peak else ()), *roofs)


def _point(number: int, cause: Cause) -> RoofPoint:
    return RoofPoint(
        number,
        cause.intensity or 0.0,
        cause.flops_per_second or 0.0,
        str(cause.bound.regime),
        _contended(cause),
    )


def _contended(cause: Cause) -> bool:
    return cause.result.record.contended
