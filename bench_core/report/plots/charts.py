"""The report's plots: charts with their titles, captions and alternative texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from bench_core.analysis.comparison import Comparison, Result, Verdict
from bench_core.analysis.speedup import Curve
from bench_core.core import text
from bench_core.report.plots import series
from bench_core.report.plots.chart_types import Chart, DotChart, LineChart, Row
from bench_core.report.plots.series import MachineLabels

GPU_WORDS = {
    Verdict.FASTER: "GPU faster",
    Verdict.SLOWER: "CPU faster",
    Verdict.SAME: "same within the tolerance",
    Verdict.UNCLEAR: "unclear",
}
LONGEST_NAME = 120
USUAL = re.compile(r"[A-Za-z0-9_.,()?'\[\] -]*")
THREAD_WORDS = GPU_WORDS | {Verdict.FASTER: "all cores faster", Verdict.SLOWER: "one thread faster"}


@dataclass(frozen=True)
class Plot:
    """A chart with its file name and texts; ``caption`` says what the plot itself does not. A ``wide`` one has its own
    row. ``other`` shows the same figures in another way, under the name ``tab``; the page shows one of the two."""

    name: str
    chart: Chart
    alt: str
    caption: str = ""
    wide: bool = False
    tab: str = ""
    other: Plot | None = None

    @property
    def both(self) -> tuple[Plot, ...]:
        """The plot, and the other one if there is one."""
        return (self, self.other) if self.other else (self,)


def file_name(*parts: str) -> str:
    """A safe file name made of these words. What is long, or has unusual characters, has a hash at its end, so that
    different words have different names."""
    words = "_".join(part for part in parts if part)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", words).strip("-.")
    if 0 < len(name) <= LONGEST_NAME and USUAL.fullmatch(words):
        return name
    digest = hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:LONGEST_NAME]}-{digest[:8]}".strip("-.")


def workload_plots(results: Sequence[Result], curves: Sequence[Curve], labels: MachineLabels) -> tuple[Plot, ...]:
    """For each panel of a workload its time per unit, or its throughput, and, with a GPU, its speedup."""
    panels = series.panels(results)
    plots: list[Plot] = []
    for panel in panels:
        tag = series.shared(panel) if len(panels) > 1 else ""
        drawn = [c for c in curves if any(row.contender in panel for row in c.measured)]
        plots.append(replace(_time_plot(panel, labels, tag), other=_throughput_plot(panel, labels, tag)))
        if any(len(curve.measured) > 1 for curve in drawn):
            plots.append(_speedup_plot(drawn, labels, tag))
    return tuple(plots)


def _time_plot(panel: Sequence[Result], labels: MachineLabels, tag: str) -> Plot:
    first = panel[0]
    unit, footer = first.record.unit, series.machines_footer(panel, labels)
    chart = LineChart(
        title=first.case.workload,
        subtitle=subtitle(f"Time per {unit}", panel, "lower is better"),
        footer=footer,
        lines=series.time_lines(panel, labels),
        tick=partial(text.seconds, number=text.brief),
    )
    alt = f"{first.case.workload}: time per {unit} over the batch size, by device. {BELOW}"
    return Plot(file_name(first.case.workload, "time", tag), chart, alt, tab="Time")


def _throughput_plot(panel: Sequence[Result], labels: MachineLabels, tag: str) -> Plot:
    first = panel[0]
    unit, footer = first.record.unit, series.machines_footer(panel, labels)
    chart = LineChart(
        title=first.case.workload,
        subtitle=subtitle(f"Throughput in {unit}/s", panel, "higher is better"),
        footer=footer,
        lines=series.throughput_lines(panel, labels),
        tick=partial(text.count, number=text.brief),
    )
    alt = f"{first.case.workload}: throughput in {unit}/s over the batch size, by device. {BELOW}"
    return Plot(file_name(first.case.workload, "throughput", tag), chart, alt, tab="Throughput")


def _speedup_plot(drawn: Sequence[Curve], labels: MachineLabels, tag: str) -> Plot:
    sides = [side for curve in drawn for row in curve.measured for side in (row.base, row.contender) if side]
    workload = sides[0].case.workload
    footer = series.machines_footer(sides, labels)
    chart = LineChart(
        title=workload,
        subtitle=subtitle("R = CPU time / GPU time", [s for s in sides if s.on_gpu], "above 1 the GPU is faster"),
        footer=footer,
        lines=series.speedup_lines(drawn, labels),
        tick=partial(text.ratio, number=text.brief),
        unity=True,
        crossings=series.crossings(drawn),
    )
    alt = f"{workload}: speedup of the GPU over the CPU by batch size. {BELOW}"
    return Plot(file_name(workload, "speedup", tag), chart, alt)


BELOW = "The numbers are in the table below."


def variant_plots(comparisons: Sequence[Comparison], labels: MachineLabels) -> tuple[Plot, ...]:
    """The dtypes and variants of a workload against fp32 in eager mode, one plot for each panel with a line."""
    panels = series.panels([c.contender for c in comparisons if c.contender])
    return tuple(
        _variant_plot(
            [c for c in comparisons if c.contender in panel], labels, series.shared(panel) if panels[1:] else ""
        )
        for panel in panels
    )


def _variant_plot(drawn: Sequence[Comparison], labels: MachineLabels, tag: str) -> Plot:
    sides = [side for c in drawn for side in (c.base, c.contender) if side]
    workload, footer = sides[0].case.workload, series.machines_footer(sides, labels)
    chart = LineChart(
        title=workload,
        subtitle=subtitle(
            "R = eager fp32 time / time", [c.contender for c in drawn if c.contender], "above 1 faster than eager fp32"
        ),
        footer=footer,
        lines=series.variant_lines(drawn, labels),
        tick=partial(text.ratio, number=text.brief),
        unity=True,
    )
    alt = f"{workload}: other variants and dtypes against eager fp32, by batch size. {BELOW}"
    return Plot(file_name(workload, "variants", tag), chart, alt)


def subtitle(what: str, results: Sequence[Result], better: str) -> str:
    """What is shown, of which setting, dtype and variant if all share them, and in which direction it is better."""
    shared = series.shared(results)
    return f"{what}{f', {shared}' if shared else ''}; {better}"


def speedup_dots(title: str, footer: str, rows: Sequence[Row]) -> DotChart:
    """The speedups of a GPU in rows with a dot for each batch size."""
    return DotChart(
        title=title,
        subtitle="One dot per batch size; right of 1 the GPU is faster",
        footer=footer,
        axis="Speedup R = CPU time / GPU time",
        words=GPU_WORDS,
        rows=tuple(rows),
    )


def threads_plot(comparisons: Sequence[Comparison], labels: MachineLabels) -> Plot | None:
    """One thread against all usable cores, one row per case; ``None`` for less than two, which need no plot."""
    drawn = [c for c in comparisons if c.ratio is not None]
    if len(drawn) < 2:
        return None
    sides = [side for c in drawn for side in (c.base, c.contender) if side]
    many = len({side.machine.hardware for side in sides}) > 1
    rows = [Row(_thread_row_name(c, labels, many), series.dots([c])) for c in drawn]
    footer = series.machines_footer(sides, labels, data=False)
    chart = DotChart(
        title="All usable cores against one thread",
        subtitle="Right of 1 all cores are faster; b64 means batch size 64",
        footer=footer,
        axis="R = time of one thread / time of all cores",
        words=THREAD_WORDS,
        rows=series.by_size(rows),
    )
    alt = "How much faster all usable CPU cores are than one thread, by workload. The numbers are in the table."
    return Plot("overview_threads", chart, alt)


def _thread_row_name(c: Comparison, labels: MachineLabels, many: bool) -> str:
    letter = f" ({labels[c.base.machine.hardware]})" if many and c.base else ""
    setting = f" {c.case.setting}" if c.case.setting else ""
    return f"{c.case.workload}{setting} b{c.case.batch_size}{letter}"
