"""The pictures of the first screen, grouped by what bounds the work: speedups, or, without a GPU, what could be had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench_core.analysis.causes import Cause, Key, fastest
from bench_core.analysis.comparison import Comparison
from bench_core.analysis.gpu_bounds import Potential, best_of_workloads
from bench_core.analysis.regimes import Regime
from bench_core.analysis.speedup import Curve
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import Figure, Panel, PanelChart, Row
from bench_core.report.plots.charts import Plot, speedup_dots
from bench_core.report.plots.series import MachineLabels

GPU = "H100 SXM"
"""The GPU whose bound is drawn; the tables have others."""
HEADINGS = {
    Regime.COMPUTE: "Arithmetic",
    Regime.BANDWIDTH: "Memory bandwidth",
    Regime.HOST: "Python and torch",
    Regime.LAUNCH: "Launches",
    Regime.LOADER: "Loader",
    Regime.TRANSFER: "Transfers",
    Regime.MIXED: "Mixed",
}
"""What work is bound by, as the heading of a group."""
UNKNOWN = "Not known"

Workload = tuple[str, str]
"""A machine's hardware and the name of a workload."""


def gpu_overview(curves: Sequence[Curve], causes: Mapping[Key, Cause], labels: MachineLabels) -> Plot | None:
    """The speedups of all workloads, one row each, by what bounds them on the GPU; ``None`` for less than two figures,
    which need no plot."""
    drawn = [curve for curve in curves if curve.measured]
    if sum(len(curve.measured) for curve in drawn) < 2:
        return None
    sides = [side for curve in drawn for row in curve.measured for side in (row.base, row.contender) if side]
    many = len({side.machine.hardware for side in sides if side.on_gpu}) > 1
    groups: dict[str, list[tuple[str, Curve]]] = {}
    for curve in drawn:
        groups.setdefault(_heading(curve, causes), []).append((_row_name(curve, labels, many), curve))
    rows: list[Row] = []
    for heading in (*HEADINGS.values(), UNKNOWN):
        if heading in groups:
            rows += [Row(heading, ())] if len(groups) > 1 else []
            rows += series.speedup_rows(groups[heading])
    footer = series.machines_footer(sides, labels, data=False)
    grouped = "Grouped by what bounds the work on the GPU at its largest batch size." if len(groups) > 1 else ""
    chart = speedup_dots("GPU against CPU, all workloads", footer, rows)
    alt = "Speedup of the GPU over the CPU for every workload and batch size. The numbers are in the tables."
    return Plot("overview_speedup", chart, alt, grouped)


def _row_name(curve: Curve, labels: MachineLabels, many: bool) -> str:
    case, side = curve.rows[0].case, next(row.contender for row in curve.measured)
    return f"{case.workload} ({labels[side.machine.hardware]})" if many and side else case.workload


def _heading(curve: Curve, causes: Mapping[Key, Cause]) -> str:
    """What bounds the work on the GPU at the largest batch size."""
    side = curve.measured[-1].contender
    cause = causes.get((side.machine.hardware, side.case)) if side else None
    return HEADINGS[cause.bound.regime] if cause else UNKNOWN


def cpu_overview(
    causes: Mapping[Key, Cause], threads: Iterable[Comparison], potentials: Sequence[Potential], labels: MachineLabels
) -> Plot | None:
    """The workloads of machines without a GPU, by what each is bound by; ``None`` unless that is known of several."""
    best = _best(causes)
    if len(best) < 2:
        return None
    groups: dict[str, tuple[Workload, ...]] = {}
    for regime, heading in HEADINGS.items():
        own = [key for key, cause in best.items() if cause.bound.regime is regime]
        if own:
            groups[heading] = tuple(sorted(own, key=lambda key: -best[key].share))
    rows = [key for group in groups.values() for key in group]
    gains, bounds = _gains(threads), _bounds(potentials)
    panels = (
        Panel("Share of this CPU's ceiling", tuple(_share(best[key]) for key in rows), share=True),
        Panel("All cores / one thread", tuple(gains.get(key) for key in rows)),
        Panel(f"{GPU} at most", tuple(bounds.get(key) for key in rows)),
    )
    several = len({hardware for hardware, _ in rows}) > 1
    results = [cause.result for cause in best.values()]
    chart = PanelChart(
        title="What bounds each workload, and what could make it faster",
        subtitle="Grouped by what bounds the work. Right of 1 more cores, or a GPU, are faster; the GPU's figures are "
        "upper bounds, not measurements",
        footer=series.machines_footer(results, labels, data=False),
        groups={
            heading: tuple(f"{name} ({labels[hardware]})" if several else name for hardware, name in group)
            for heading, group in groups.items()
        },
        panels=tuple(panel for panel in panels if any(panel.figures)),
    )
    alt = "For each workload: what bounds it, its share of the CPU's ceiling, the gain by all cores, and the upper "
    alt += "bound of a GPU's speedup. The numbers are in the tables."
    caption = (
        "The share is that of the case with the highest throughput. The gain by cores is at the batch size that was "
        "measured with both; the bound is the largest of all batch sizes."
    )
    return Plot("overview_causes", chart, alt, caption, wide=True)


def _best(causes: Mapping[Key, Cause]) -> Mapping[Workload, Cause]:
    """For each workload the case on all cores in plain fp32 with the highest throughput."""
    on_cpu = (cause for (_, case), cause in causes.items() if case.device_type == "cpu")
    return {(hardware, workload): cause for (hardware, _, workload), cause in fastest(on_cpu).items()}


def _share(cause: Cause) -> Figure:
    return Figure(cause.share, contended=cause.result.record.contended)


def _gains(threads: Iterable[Comparison]) -> Mapping[Workload, Figure]:
    gains: dict[Workload, Figure] = {}
    for c in threads:
        if c.ratio is not None and c.base is not None:
            gains.setdefault((c.base.machine.hardware, c.case.workload), Figure(c.ratio, c.interval, c.contended))
    return gains


def _bounds(potentials: Iterable[Potential]) -> Mapping[Workload, Figure]:
    """The largest bound of each workload, of those that are known of the GPU."""
    known = [(key, potential.of(GPU)) for key, potential in best_of_workloads(potentials, GPU).items()]
    return {key: Figure(speedup) for key, speedup in known if speedup is not None}
