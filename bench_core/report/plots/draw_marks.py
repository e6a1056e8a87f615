"""Draws marks in named rows on a logarithmic axis."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench_core.report.plots import canvas
from bench_core.report.plots.chart_types import Mark, MarkChart
from bench_core.report.plots.colors import GRAY
from bench_core.report.plots.markers import COLORS, HOLLOW, MARKERS, draw_markers, explain

ROW, ROW_OF_SAMPLES = 0.24, 0.42
"""The height of a row in inches."""
FURTHER = ("^", "v", "P")
SPREAD = 0.3
"""Samples are spread over so much of a row's height to each side, in the order in which they were taken."""


def marks_figure(chart: MarkChart) -> Figure:
    """One row of marks per name, each series in its own color; a row with samples is higher."""
    marks = [mark for _, row in chart.rows for mark in row]
    height = (ROW_OF_SAMPLES if any(mark.raw for mark in marks) else ROW) * len(chart.rows) + 0.15
    names = [name for name, _ in chart.rows]
    contended = any(mark.contended for mark in marks)
    entries = len(chart.series) + bool(chart.limit) + contended
    figure, ax = canvas.new_figure(chart, height, math.ceil(entries / 2), left=canvas.name_width(names))
    styles = _styles(chart)
    for y, (_, row) in enumerate(chart.rows):
        for mark in row:
            _draw_mark(ax, mark, y + _beside(mark, len(chart.series)), *styles[mark.of])
    for (label, _), (color, marker) in zip(chart.series, styles, strict=True):
        ax.plot([], [], color=color, marker=marker, linestyle="none", markersize=5, label=label)
    if chart.limit:
        ax.plot([], [], color=GRAY, marker="|", linestyle="none", markersize=9, label=chart.limit)
    if contended:
        explain(ax, HOLLOW)
    shown = [v for m in marks for v in (m.value, *(m.interval or ()), *m.raw, *([m.limit] if m.limit else []))]
    canvas.log_rows(ax, names, shown, chart.tick, apart=0.62)
    ax.set_xlabel(chart.axis, loc="right")
    canvas.legend(figure, chart, 2)
    return figure


def _beside(mark: Mark, series: int) -> float:
    """How far a mark is from the middle of its row, so that those of several series do not cover each other."""
    return 0.0 if mark.raw else (mark.of - 0.5 * (series - 1)) * min(0.2, 0.5 / series)


def _styles(chart: MarkChart) -> list[tuple[str, str]]:
    """The color and marker of each series: those of its side, with further colors and then markers for further ones."""
    used: dict[object, int] = {}
    styles = []
    for _, side in chart.series:
        colors = COLORS[side] if side else tuple(color for some in COLORS.values() for color in some)
        nth = used.setdefault(side, 0)
        used[side] += 1
        markers = (MARKERS[side] if side else "o", *FURTHER)
        styles.append((colors[nth % len(colors)], markers[nth // len(colors) % len(markers)]))
    return styles


def _draw_mark(ax: Axes, mark: Mark, y: float, color: str, marker: str) -> None:
    if mark.raw:
        places = np.linspace(y - SPREAD, y + SPREAD, len(mark.raw))
        ax.plot(mark.raw, places, linestyle="none", marker=".", markersize=4, color=color, alpha=0.5, mew=0, zorder=1)
    if mark.interval:
        ax.plot(mark.interval, [y, y], color=color, linewidth=1.2, zorder=2)
    if mark.limit:
        ax.plot([mark.limit], [y], linestyle="none", marker="|", markersize=9, color=GRAY, zorder=2)
    if mark.contended:
        draw_markers(ax, [mark.value], [y], marker, color, HOLLOW)
    else:
        ax.plot([mark.value], [y], color=color, marker=marker, markersize=4.5, linestyle="none", zorder=3)
