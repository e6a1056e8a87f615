"""The report's plots as charts with their words: title, caption, and what a reader hears who cannot see them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench_core.report import series, text
from bench_core.report.series import Chart, DotChart, Letters
from bench_core.speedup import Comparison, Curve, Figure, Verdict

GPU_WORDS = {
    Verdict.FASTER: "GPU faster",
    Verdict.SLOWER: "CPU faster",
    Verdict.SAME: "same within the tolerance",
    Verdict.UNCLEAR: "unclear",
}
THREAD_WORDS = GPU_WORDS | {Verdict.FASTER: "all cores faster", Verdict.SLOWER: "one thread faster"}


@dataclass(frozen=True)
class Plot:
    """A chart with its file name and words; ``caption`` names machines and data."""

    name: str
    chart: Chart | DotChart
    alt: str
    caption: str


def file_name(*parts: str) -> str:
    """A safe file name of words."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "_".join(part for part in parts if part)).strip("-.")


def workload_plots(figures: Sequence[Figure], curves: Sequence[Curve], letters: Letters) -> tuple[Plot, ...]:
    """For each panel of a workload its time per unit, and its speedup or, without a GPU, its throughput."""
    panels = series.panels(figures)
    plots: list[Plot] = []
    for panel in panels:
        tag = series.shared(panel) if len(panels) > 1 else ""
        drawn = [c for c in curves if any(row.contender in panel for row in c.measured)]
        plots.append(_time_plot(panel, letters, tag))
        plots.append(_speedup_plot(drawn, letters, tag) if drawn else _throughput_plot(panel, letters, tag))
    return tuple(plots)


def _time_plot(panel: Sequence[Figure], letters: Letters, tag: str) -> Plot:
    first = panel[0]
    unit, footer = first.record.unit, series.machines_footer(panel, letters)
    chart = Chart(
        title=first.case.workload,
        subtitle=_subtitle(f"Time per {unit}", panel, "lower is better"),
        footer=footer,
        lines=series.time_lines(panel, letters),
        tick=text.seconds,
    )
    alt = f"{first.case.workload}: time per {unit} over the batch size, by device. The figures are in the table below."
    caption = f"Time per {unit}. Small dots are samples (spread sideways), bars are intervals of the median. {footer}"
    return Plot(file_name(first.case.workload, "time", tag), chart, alt, caption)


def _throughput_plot(panel: Sequence[Figure], letters: Letters, tag: str) -> Plot:
    first = panel[0]
    unit, footer = first.record.unit, series.machines_footer(panel, letters)
    chart = Chart(
        title=first.case.workload,
        subtitle=_subtitle(f"Throughput in {unit}/s", panel, "higher is better"),
        footer=footer,
        lines=series.throughput_lines(panel, letters),
        tick=text.count,
    )
    alt = f"{first.case.workload}: {unit} per second over the batch size. The figures are in the table below."
    return Plot(
        file_name(first.case.workload, "throughput", tag), chart, alt, f"Throughput at the median time. {footer}"
    )


def _speedup_plot(drawn: Sequence[Curve], letters: Letters, tag: str) -> Plot:
    sides = [side for curve in drawn for row in curve.measured for side in (row.base, row.contender) if side]
    workload = sides[0].case.workload
    footer = series.machines_footer(sides, letters)
    chart = Chart(
        title=workload,
        subtitle=_subtitle(
            "Speedup R = CPU time / GPU time", [s for s in sides if s.on_gpu], "above 1 the GPU is faster"
        ),
        footer=footer,
        lines=series.speedup_lines(drawn, letters),
        tick=text.ratio,
        unity=True,
        crossings=series.crossings(drawn),
    )
    alt = f"{workload}: speedup of the GPU over the CPU by batch size, with a line at 1. The figures are in the table below."
    band = " The violet band is the crossover's interval." if chart.crossings else ""
    caption = f"Speedup R, matched; bars are its intervals.{band} {footer}"
    return Plot(file_name(workload, "speedup", tag), chart, alt, caption)


def _subtitle(what: str, figures: Sequence[Figure], better: str) -> str:
    shared = series.shared(figures)
    return f"{what}{f', {shared}' if shared else ''}; {better}"


def overview_plot(curves: Sequence[Curve], letters: Letters) -> Plot | None:
    """All workloads' speedups beside each other; ``None`` where there is none."""
    drawn = [curve for curve in curves if curve.measured]
    if not drawn:
        return None
    sides = [side for curve in drawn for row in curve.measured for side in (row.base, row.contender) if side]
    many = len({side.machine.hardware for side in sides if side.on_gpu}) > 1
    footer = series.machines_footer(sides, letters, data=False)
    chart = DotChart(
        title="GPU against CPU, all workloads",
        subtitle="One dot a batch size, right of the line at 1 the GPU is faster; bars are intervals",
        footer=footer,
        axis="Speedup R = CPU time / GPU time",
        words=GPU_WORDS,
        rows=series.speedup_rows([(_row_name(curve, letters, many), curve) for curve in drawn]),
    )
    alt = "Speedup of the GPU over the CPU for every workload and batch size. The figures are in the tables."
    return Plot("overview_speedup", chart, alt, f"Speedup R of every workload at every batch measured. {footer}")


def _row_name(curve: Curve, letters: Letters, many: bool) -> str:
    case, side = curve.rows[0].case, next(row.contender for row in curve.measured)
    return f"{case.workload} ({letters[side.machine.hardware]})" if many and side else case.workload


def threads_plot(comparisons: Sequence[Comparison], letters: Letters) -> Plot | None:
    """One thread against all usable cores, a row for each case; ``None`` where there is none."""
    drawn = [c for c in comparisons if c.ratio is not None]
    if not drawn:
        return None
    sides = [side for c in drawn for side in (c.base, c.contender) if side]
    many = len({side.machine.hardware for side in sides}) > 1
    rows = [
        series.Row(_thread_row_name(c, letters, many), ((c.ratio, c.interval, c.verdict),))
        for c in drawn
        if c.ratio is not None
    ]
    footer = series.machines_footer(sides, letters, data=False)
    chart = DotChart(
        title="All usable cores against one thread",
        subtitle="Right of the line at 1 all cores are faster; bars are intervals",
        footer=footer,
        axis="R = time of one thread / time of all cores",
        words=THREAD_WORDS,
        rows=series.by_size(rows),
    )
    alt = "How much faster all usable CPU cores are than one thread, by workload. The figures are in the table."
    return Plot("overview_threads", chart, alt, f"One thread against all usable cores of the CPU. {footer}")


def _thread_row_name(c: Comparison, letters: Letters, many: bool) -> str:
    letter = f" ({letters[c.base.machine.hardware]})" if many and c.base else ""
    return f"{c.case.workload}, {text.count(c.case.batch_size)}{letter}"
