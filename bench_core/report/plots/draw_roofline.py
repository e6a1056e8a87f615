"""Draws rooflines: FLOP/s over FLOP/byte, below the ceilings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench_core.core import text
from bench_core.report.plots import canvas
from bench_core.report.plots.chart_types import Roof, RooflineChart, RoofPoint
from bench_core.report.plots.colors import BLUE, GRAY, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION
from bench_core.report.plots.markers import HOLLOW, draw_markers, explain

WIDTH, HEIGHT, LEGEND_COLUMNS = 9.4, 3.6, 4
STYLES = tuple(zip((BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, GRAY), "osD^vPX", strict=True))
DASHES = ("-", "--", ":")
NUMBER = (0.16, 0.13)
"""The inches that a point's number needs, at most."""
AROUND = ((0.1, 0.07), (-0.13, 0.07), (0.1, -0.1), (-0.13, -0.1), (0.0, 0.13), (0.0, -0.16), (0.16, 0.0), (-0.2, 0.0))
"""Where the middle of a number may be, in inches from its point."""


def roofline_figure(chart: RooflineChart) -> Figure:
    """The roofs as lines, and a numbered marker for each point."""
    contended = any(point.contended for point in chart.points)
    entries = len(chart.roofs) + len(chart.groups) + contended
    place = [(canvas.LEFT, WIDTH - canvas.RIGHT)]
    figure, (ax,) = canvas.new_panels(chart, HEIGHT, math.ceil(entries / LEGEND_COLUMNS), place, WIDTH)
    (left, right), (low, high) = _limits(chart)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    for nth, roof in enumerate(chart.roofs):
        x = np.geomspace(left, right, 50)
        ax.plot(x, _height(roof, x), DASHES[nth % len(DASHES)], color=INK, linewidth=1.2, label=roof.label, zorder=2)
    for group, (color, marker) in zip(chart.groups, STYLES, strict=False):
        own = [point for point in chart.points if point.group == group]
        full = [point for point in own if not point.contended]
        at = [point.intensity for point in full], [point.flops for point in full]
        ax.plot(*at, linestyle="none", marker=marker, markersize=5, color=color, label=group, zorder=3)
        hollow = [point for point in own if point.contended]
        draw_markers(ax, [p.intensity for p in hollow], [p.flops for p in hollow], marker, color, HOLLOW)
    if contended:
        explain(ax, HOLLOW)
    _number(ax, chart.points, place[0])
    tick = partial(text.count, number=text.brief)
    canvas.set_ticks(ax.xaxis, canvas.ticks(left, right, most=12), text.brief)
    canvas.set_ticks(ax.yaxis, canvas.ticks(low, high), tick)
    canvas.clean(ax)
    ax.set_xlabel("FLOP/byte", loc="right")
    canvas.legend(figure, chart, LEGEND_COLUMNS)
    return figure


def _height(roof: Roof, x: np.ndarray) -> np.ndarray:
    return np.full_like(x, roof.flops) if roof.flops else x * (roof.bandwidth or 0.0)


def _limits(chart: RooflineChart) -> tuple[tuple[float, float], tuple[float, float]]:
    """The range of the points, and of the places where a bandwidth meets a peak."""
    peaks = [roof.flops for roof in chart.roofs if roof.flops]
    speeds = [roof.bandwidth for roof in chart.roofs if roof.bandwidth]
    corners = [peak / speed for peak in peaks for speed in speeds]
    x = canvas.limits([*(point.intensity for point in chart.points), *corners])
    return x, canvas.limits([*(point.flops for point in chart.points), *peaks])


def _number(ax: Axes, points: Sequence[RoofPoint], place: tuple[float, float]) -> None:
    """A number at each point, where there is room around it."""
    size = np.array([place[1] - place[0], HEIGHT])
    to_axes = ax.transScale + ax.transLimits
    at = to_axes.transform([(point.intensity, point.flops) for point in points]) * size
    taken = [(x, y) for x, y in at]
    for point, own in zip(points, at, strict=True):
        free = [own + offset for offset in AROUND if not _covers(own + offset, taken, size)]
        middle = free[0] if free else own + AROUND[0]
        taken.append((middle[0], middle[1]))
        x, y = middle / size
        ax.text(x, y, str(point.number), transform=ax.transAxes, ha="center", va="center", fontsize=8, color=INK)


def _covers(middle: np.ndarray, taken: Sequence[tuple[float, float]], size: np.ndarray) -> bool:
    """Whether a number here would cover a marker or another number, or leave the axes."""
    half = 0.5 * np.array(NUMBER)
    outside = bool(np.any(middle < half) or np.any(middle > size - half))
    return outside or any(abs(middle[0] - x) < NUMBER[0] and abs(middle[1] - y) < NUMBER[1] for x, y in taken)
