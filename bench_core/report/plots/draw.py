"""Draws charts as matplotlib figures, through its object interface only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench_core.analysis.comparison import Verdict
from bench_core.core import text
from bench_core.report.plots import canvas
from bench_core.report.plots.chart_types import (
    Chart,
    Crossing,
    Dot,
    DotChart,
    Line,
    LineChart,
    MarkChart,
    PanelChart,
    Point,
    RooflineChart,
    RungChart,
    Side,
    StackChart,
)
from bench_core.report.plots.colors import BLUE, GRAY, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION
from bench_core.report.plots.draw_marks import marks_figure
from bench_core.report.plots.draw_panels import panels_figure
from bench_core.report.plots.draw_roofline import roofline_figure
from bench_core.report.plots.markers import COLORS, HALF_FILLED, HOLLOW, MARKERS, MarkerStyle, draw_markers, explain

STAGE_COLORS = (ORANGE, SKY, GREEN, BLUE, PURPLE, VERMILLION)
DASHES = ("-", "--", ":")
VERDICT_STYLE = {
    Verdict.FASTER: (BLUE, "o"),
    Verdict.SLOWER: (VERMILLION, "s"),
    Verdict.SAME: ("#666666", "D"),
    Verdict.UNCLEAR: ("#666666", "x"),
}
LINES_HEIGHT = 2.6
LEGEND_LETTERS = 23


def save(chart: Chart, svg: Path, png: Path) -> None:
    """Draw a chart into two files; the same chart gives the same bytes."""
    with rc_context(canvas.SETTINGS):
        figure = draw(chart)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=150, metadata={"Software": None})


def draw(chart: Chart) -> Figure:
    """A chart as a figure."""
    match chart:
        case LineChart():
            return _lines_figure(chart)
        case DotChart():
            return _dots_figure(chart)
        case RungChart():
            return _rungs_figure(chart)
        case StackChart():
            return _bars_figure(chart)
        case PanelChart():
            return panels_figure(chart)
        case MarkChart():
            return marks_figure(chart)
        case RooflineChart():
            return roofline_figure(chart)


def _lines_figure(chart: LineChart) -> Figure:
    """Lines over the batch size, with raw samples behind them and intervals on them."""
    points = [point for line in chart.lines for point in line.points]
    marks = [style for style in (HOLLOW, HALF_FILLED) if any(_style_of(point) is style for point in points)]
    legend_rows = math.ceil((len(chart.lines) + len(chart.crossings[:1]) + len(marks)) / _legend_columns(chart))
    figure, ax = canvas.new_figure(chart, LINES_HEIGHT, legend_rows)
    batches = sorted({point.batch for point in points})
    used: dict[Side, int] = {}
    for line in chart.lines:
        nth = used.setdefault(line.side, 0)
        used[line.side] += 1
        _draw_line(ax, line, nth, (batches[-1] / batches[0]) ** 0.025 if len(batches) > 1 else 1.04)
    values = [v for p in points for v in (p.value, *(p.interval or ()), *p.raw)]
    canvas.log_axes(ax, batches, values + ([1.0] if chart.unity else []), chart.tick)
    if chart.unity:
        _draw_unity(ax, chart.crossings)
    for style in marks:
        explain(ax, style)
    ax.set_xlabel(chart.over)
    canvas.legend(figure, chart, _legend_columns(chart))
    return figure


def _legend_columns(chart: LineChart) -> int:
    return 2 if max((len(line.label) for line in chart.lines), default=0) <= LEGEND_LETTERS else 1


def _draw_line(ax: Axes, line: Line, nth: int, spread: float) -> None:
    colors = COLORS[line.side]
    color, dash, marker = colors[nth % len(colors)], DASHES[nth // len(colors) % len(DASHES)], MARKERS[line.side]
    for point in line.points:
        # Spread sideways in the order they were taken; otherwise the median would hide them.
        x = point.batch * np.geomspace(1 / spread, spread, len(point.raw))
        ax.plot(x, point.raw, linestyle="none", marker=".", markersize=4, color=color, alpha=0.4, mew=0, zorder=1)
    at, values = [p.batch for p in line.points], [p.value for p in line.points]
    ax.plot(at, values, dash, color=color, marker=marker, markersize=4, linewidth=1.4, label=line.label, zorder=3)
    known = [(p, p.interval) for p in line.points if p.interval]
    if known:
        errors = [[p.value - i[0] for p, i in known], [i[1] - p.value for p, i in known]]
        places = [p.batch for p, _ in known], [p.value for p, _ in known]
        ax.errorbar(*places, yerr=errors, linestyle="none", ecolor=color, elinewidth=1.2, capsize=3.5, zorder=2)
    for style in (HOLLOW, HALF_FILLED):
        marked = [p for p in line.points if _style_of(p) is style]
        draw_markers(ax, [p.batch for p in marked], [p.value for p in marked], marker, color, style)


def _style_of(point: Point) -> MarkerStyle | None:
    if point.contended:
        return HOLLOW
    return HALF_FILLED if point.interval is None else None


def _draw_unity(ax: Axes, crossings: Sequence[Crossing]) -> None:
    ax.axhline(1.0, color=INK, linewidth=1, zorder=2)
    low, high = ax.get_ylim()
    ax.axhspan(1.0, high, color=BLUE, alpha=0.06, linewidth=0, zorder=0)
    ax.axhspan(low, 1.0, color=VERMILLION, alpha=0.06, linewidth=0, zorder=0)
    left, right = ax.get_xlim()
    for nth, crossing in enumerate(crossings):
        label = f"crossover at {text.significant(crossing.batch)}" if len(crossings) == 1 else "crossovers"
        ax.axvspan(crossing.low or left, crossing.high or right, color=PURPLE, alpha=0.25, linewidth=0, zorder=1)
        ax.axvline(crossing.batch, color=PURPLE, linewidth=1.3, linestyle="--", label=None if nth else label, zorder=2)


def _dots_figure(chart: DotChart) -> Figure:
    """One row of dots per name: all ratios on a line, colored by verdict."""
    height = 0.24 * len(chart.rows) + 0.15
    dots = [dot for row in chart.rows for dot in row.dots]
    present = {dot.verdict for dot in dots if not dot.contended}
    contended = any(dot.contended for dot in dots)
    names = [row.label for row in chart.rows]
    legend_rows = math.ceil((len(present) + contended) / 2)
    figure, ax = canvas.new_figure(chart, height, legend_rows, left=canvas.name_width(names))
    for y, row in enumerate(chart.rows):
        ratios = [dot.ratio for dot in row.dots]
        if ratios:
            ax.plot([min(ratios), max(ratios)], [y, y], color="#d0d7de", linewidth=2, zorder=1)
        for dot in row.dots:
            _draw_dot(ax, dot, y)
    ax.axvline(1.0, color=INK, linewidth=1)
    values = [v for dot in dots for v in (dot.ratio, *(dot.interval or ()))]
    canvas.log_rows(ax, names, [*values, 1.0], partial(text.ratio, number=text.brief), apart=0.5)
    ax.set_xlabel(chart.axis, loc="right")
    for row, name in zip(chart.rows, ax.get_yticklabels(), strict=True):
        if not row.dots:
            name.set(fontweight="bold", color=GRAY)
    for verdict, (color, marker) in VERDICT_STYLE.items():
        if verdict in present:
            ax.plot([], [], color=color, marker=marker, linestyle="none", markersize=5, label=chart.words[verdict])
    if contended:
        explain(ax, HOLLOW)
    canvas.legend(figure, chart, 2)
    return figure


def _draw_dot(ax: Axes, dot: Dot, y: int) -> None:
    color, marker = ("#666666", "o") if dot.contended else VERDICT_STYLE[dot.verdict]
    if dot.interval:
        ax.plot(dot.interval, [y, y], color=color, linewidth=1.2, zorder=2)
    if dot.contended:
        draw_markers(ax, [dot.ratio], [y], marker, color, HOLLOW)
    else:
        ax.plot([dot.ratio], [y], color=color, marker=marker, markersize=4.5, linestyle="none", zorder=3)


def _rungs_figure(chart: RungChart) -> Figure:
    """One row per rung and a line down them per device; the dashed line is the value of its last rung."""
    contended = any(line.contended for line in chart.lines)
    figure, ax = canvas.new_figure(
        chart,
        0.3 * len(chart.rungs) + 0.15,
        legend_rows=math.ceil((len(chart.lines) + contended) / 2),
        left=canvas.name_width(chart.rungs),
    )
    for line in chart.lines:
        color, (rungs, values) = COLORS[line.side][0], zip(*line.values, strict=True)
        ax.axvline(values[-1], color=color, linewidth=1, linestyle="--", alpha=0.7, zorder=1)
        ax.plot(values, rungs, color=color, marker=MARKERS[line.side], markersize=5, linewidth=1.2, label=line.label)
        if line.interval:
            ax.plot(line.interval, [rungs[-1]] * 2, color=color, linewidth=4, alpha=0.4, zorder=2)
        busy = [(value, rung) for rung, value in line.values if rung in line.contended]
        draw_markers(ax, [v for v, _ in busy], [r for _, r in busy], MARKERS[line.side], color, HOLLOW)
    if contended:
        explain(ax, HOLLOW)
    shown = [v for line in chart.lines for v in (*(value for _, value in line.values), *(line.interval or ()))]
    if chart.unity:
        ax.axvline(1.0, color=INK, linewidth=1)
    canvas.log_rows(ax, chart.rungs, [*shown, 1.0] if chart.unity else shown, chart.tick, apart=0.62)
    ax.set_xlabel(chart.axis, loc="right")
    canvas.legend(figure, chart, 2)
    return figure


def _bars_figure(chart: StackChart) -> Figure:
    """One bar per name, its stages stacked from 0 on, and a mark at the whole call; contended bars are hollow."""
    legend_rows = math.ceil((len(chart.stages) + 1) / 3)
    names = [bar.label for bar in chart.bars]
    left = canvas.name_width(names)
    figure, ax = canvas.new_figure(chart, 0.3 * len(chart.bars) + 0.15, legend_rows, left)
    for nth, stage in enumerate(chart.stages):
        lengths = [bar.seconds.get(stage, 0.0) for bar in chart.bars]
        before = [sum(bar.seconds.get(name, 0.0) for name in chart.stages[:nth]) for bar in chart.bars]
        color = STAGE_COLORS[nth % len(STAGE_COLORS)]
        faces = ["white" if bar.contended else color for bar in chart.bars]
        ax.barh(range(len(lengths)), lengths, left=before, height=0.62, color=faces, edgecolor=color, zorder=2)
        ax.barh(0, 0.0, color=color, label=stage)  # for the legend: the first bar may be hollow
    wholes = [bar.whole for bar in chart.bars]
    # Error bars and not a line, so that the legend lists it after the stages.
    mark: Any = {"fmt": "|", "color": INK, "markersize": 17, "markeredgewidth": 2}
    ax.errorbar(wholes, range(len(wholes)), **mark, label="whole call", zorder=3)
    canvas.named_rows(ax, names, space=0.5)
    ends = [max(bar.whole, sum(bar.seconds.values())) for bar in chart.bars]
    high = (1.28 if any(bar.doubt for bar in chart.bars) else 1.06) * max(ends)
    for y, (bar, end) in enumerate(zip(chart.bars, ends, strict=True)):
        ax.text(end + 0.02 * high, y, bar.doubt, va="center", fontsize=9, color=VERMILLION)
    ax.set_xlim(0.0, high)
    marks = MaxNLocator(max(2, int((canvas.WIDTH - canvas.RIGHT - left) / 0.6))).tick_values(0.0, high)
    canvas.set_ticks(ax.xaxis, [mark for mark in marks if mark <= high], _stage_tick)
    ax.set_xlabel(chart.axis, loc="right")
    canvas.clean(ax)
    canvas.legend(figure, chart, 3)
    return figure


def _stage_tick(value: float) -> str:
    return text.seconds(value, number=text.brief) if value else "0"
