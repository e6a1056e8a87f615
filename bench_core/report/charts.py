"""The report's plots as charts with their words: title, caption, and what a reader hears who cannot see them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench_core import text
from bench_core.report import series
from bench_core.report.series import AnyChart, Chart, DotChart, Letters
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
    chart: AnyChart
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
    settings = settings_plot(curves, letters)
    return (*plots, settings) if settings else tuple(plots)


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
    caption = f"Time per {unit}. {_DOTS}{_hollow(chart)} {footer}"
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
    caption = f"Throughput. {_DOTS}{_hollow(chart)} {footer}"
    return Plot(file_name(first.case.workload, "throughput", tag), chart, alt, caption)


def _speedup_plot(drawn: Sequence[Curve], letters: Letters, tag: str) -> Plot:
    sides = [side for curve in drawn for row in curve.measured for side in (row.base, row.contender) if side]
    workload = sides[0].case.workload
    footer = series.machines_footer(sides, letters)
    chart = Chart(
        title=workload,
        subtitle=_subtitle("R = CPU time / GPU time", [s for s in sides if s.on_gpu], "above 1 the GPU is faster"),
        footer=footer,
        lines=series.speedup_lines(drawn, letters),
        tick=text.ratio,
        unity=True,
        crossings=series.crossings(drawn),
    )
    alt = f"{workload}: speedup of the GPU over the CPU by batch size. The figures are in the table below."
    band = " The violet band is the crossover's interval." if chart.crossings else ""
    caption = f"Speedup R, matched; bars are its intervals.{band}{_hollow(chart)} {footer}"
    return Plot(file_name(workload, "speedup", tag), chart, alt, caption)


_DOTS = "Small dots are samples, spread sideways to be seen; bars are intervals of the median."


def _hollow(chart: Chart) -> str:
    without = any(point.interval is None for line in chart.lines for point in line.points)
    return " A hollow mark has too few samples for an interval." if without else ""


def settings_plot(curves: Sequence[Curve], letters: Letters) -> Plot | None:
    """The speedups of a workload's settings beside each other; ``None`` unless there are several."""
    drawn = [curve for curve in curves if curve.measured]
    if len({curve.rows[0].case.setting for curve in drawn}) < 2:
        return None
    sides = [side for curve in drawn for row in curve.measured for side in (row.base, row.contender) if side]
    names = series.telling([row.contender for curve in drawn for row in curve.measured[:1] if row.contender], letters)
    workload, footer = drawn[0].rows[0].case.workload, series.machines_footer(sides, letters)
    chart = DotChart(
        title=f"{workload}: its settings",
        subtitle="One dot a batch size; right of 1 the GPU is faster",
        footer=footer,
        axis="Speedup R = CPU time / GPU time",
        words=GPU_WORDS,
        rows=series.speedup_rows(list(zip(names, drawn, strict=True))),
    )
    alt = f"{workload}: speedup of the GPU over the CPU for each setting. The figures are in the table below."
    return Plot(file_name(workload, "settings"), chart, alt, f"Speedup R of every setting. {footer}")


def ways_plots(comparisons: Sequence[Comparison], letters: Letters) -> tuple[Plot, ...]:
    """The ways of running a workload against fp32 in eager mode, on the same axes for each panel."""
    panels = series.panels([c.contender for c in comparisons if c.contender])
    return tuple(
        _ways_plot(
            [c for c in comparisons if c.contender in panel], letters, series.shared(panel) if panels[1:] else ""
        )
        for panel in panels
    )


def _ways_plot(drawn: Sequence[Comparison], letters: Letters, tag: str) -> Plot:
    sides = [side for c in drawn for side in (c.base, c.contender) if side]
    workload, footer = sides[0].case.workload, series.machines_footer(sides, letters)
    chart = Chart(
        title=workload,
        subtitle=_subtitle(
            "R = eager fp32 time / time", [c.contender for c in drawn if c.contender], "above 1 faster than eager fp32"
        ),
        footer=footer,
        lines=series.ways_lines(drawn, letters),
        tick=text.ratio,
        unity=True,
    )
    alt = f"{workload}: its dtypes and variants against eager fp32, by batch size. The figures are in the table below."
    caption = f"Other ways of running it against eager fp32 on the same device.{_hollow(chart)} {footer}"
    return Plot(file_name(workload, "ways", tag), chart, alt, caption)


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
        subtitle="One dot a batch size; right of 1 the GPU is faster",
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
        subtitle="Right of 1 all cores are faster; b64 stands for batch 64",
        footer=footer,
        axis="R = time of one thread / time of all cores",
        words=THREAD_WORDS,
        rows=series.by_size(rows),
    )
    alt = "How much faster all usable CPU cores are than one thread, by workload. The figures are in the table."
    return Plot("overview_threads", chart, alt, f"One thread against all usable cores of the CPU. {footer}")


def _thread_row_name(c: Comparison, letters: Letters, many: bool) -> str:
    letter = f" ({letters[c.base.machine.hardware]})" if many and c.base else ""
    setting = f" {c.case.setting}" if c.case.setting else ""
    return f"{c.case.workload}{setting} b{c.case.batch_size}{letter}"
