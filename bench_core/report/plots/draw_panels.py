"""Draws panels side by side that share their rows, which stand in groups under headings."""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench_core.core import text
from bench_core.report.plots import canvas
from bench_core.report.plots.chart_types import Panel, PanelChart
from bench_core.report.plots.colors import BLUE, GRAY, INK
from bench_core.report.plots.markers import HOLLOW, draw_markers, explain

WIDTH, APART, ROW = 9.4, 0.3, 0.22
SHARES = (0.0, 0.5, 1.0)
FEW_FROM = 1.6
"""Where a share is larger than this, there is no room for all ticks."""


def panels_figure(chart: PanelChart) -> Figure:
    """The panels: bars from 0 for shares, dots with intervals for ratios."""
    names, rows = _rows(chart)
    left = canvas.name_width([name for name in names if name]) + 0.1
    width = (WIDTH - canvas.RIGHT - left + APART) / len(chart.panels)
    places = [(left + i * width, left + (i + 1) * width - APART) for i in range(len(chart.panels))]
    contended = any(figure and figure.contended for panel in chart.panels for figure in panel.figures)
    figure, axes = canvas.new_panels(chart, ROW * len(names) + 0.15, 2 + contended, places, WIDTH)
    for nth, (ax, panel) in enumerate(zip(axes, chart.panels, strict=True)):
        _draw_panel(ax, panel, rows, width - APART)
        ax.set_title(panel.title, loc="left", fontsize=9.5, color=INK, pad=4)
        canvas.named_rows(ax, names if nth == 0 else [""] * len(names), space=0.6)
        canvas.clean(ax)
        ax.tick_params(axis="y", length=0)
        ax.tick_params(axis="x", labeltop=True)  # the lower labels of a long panel may be out of sight
        ax.grid(visible=False, axis="y")
    for y, heading in _headings(chart):
        axes[0].text(-0.06, y, heading, transform=axes[0].get_yaxis_transform(), ha="right", va="center",
                     fontsize=9.5, fontweight="bold", color=GRAY)  # fmt: skip
    if contended:
        explain(axes[0], HOLLOW)
        canvas.legend(figure, chart, 2)
    return figure


def _rows(chart: PanelChart) -> tuple[list[str], list[int]]:
    """The labels from top to bottom, with an empty one at each heading, and the place of each row among them."""
    names: list[str] = []
    places: list[int] = []
    for group in chart.groups.values():
        names.append("")
        for name in group:
            places.append(len(names))
            names.append(name)
    return names, places


def _headings(chart: PanelChart) -> list[tuple[int, str]]:
    found, y = [], 0
    for heading, group in chart.groups.items():
        found.append((y, heading))
        y += 1 + len(group)
    return found


def _draw_panel(ax: Axes, panel: Panel, rows: list[int], width: float) -> None:
    shown = [(y, figure) for y, figure in zip(rows, panel.figures, strict=True) if figure]
    if panel.share:
        faces = ["white" if figure.contended else BLUE for _, figure in shown]
        shares = [figure.value for _, figure in shown]
        ax.barh([y for y, _ in shown], shares, height=0.6, color=faces, edgecolor=BLUE, zorder=2)
        ax.set_xlim(0.0, 1.04 * max([1.0, *shares]))
        canvas.set_ticks(ax.xaxis, SHARES if max(shares, default=0.0) < FEW_FROM else SHARES[::2], text.share)
        return
    for y, figure in shown:
        if figure.interval:
            ax.plot(figure.interval, [y, y], color=BLUE, linewidth=1.2, zorder=2)
        if figure.contended:
            draw_markers(ax, [figure.value], [y], "o", BLUE, HOLLOW)
        else:
            ax.plot([figure.value], [y], color=BLUE, marker="o", markersize=4.5, linestyle="none", zorder=3)
    ax.axvline(1.0, color=INK, linewidth=1)
    ax.set_xscale("log")
    low, high = canvas.limits([1.0, *(v for _, figure in shown for v in (figure.value, *(figure.interval or ())))])
    ax.set_xlim(low, high)
    tick = partial(text.ratio, number=text.brief)
    canvas.set_ticks(ax.xaxis, canvas.ticks(low, high, most=int(width / 0.5)), tick)
