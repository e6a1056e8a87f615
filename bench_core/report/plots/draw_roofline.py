"""Draws rooflines: FLOP/s over FLOP/byte, below the ceilings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
NUMBER, MARKER = (0.16, 0.13), 0.08
"""The inches that a point's number and its marker need, at most."""
RADII, DIRECTIONS = (0.13, 0.19, 0.26, 0.34, 0.43, 0.53), 12
"""How far the middle of a number may be from its point, in inches, and in how many directions. From the second radius
on, a line leads to it."""


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
    """A number at each point, as near as there is room for it."""
    size = np.array([place[1] - place[0], HEIGHT])
    to_axes = ax.transScale + ax.transLimits
    at = to_axes.transform([(point.intensity, point.flops) for point in points]) * size
    numbers: list[np.ndarray] = []
    for point, own in zip(points, at, strict=True):
        free = (spot for spot in _spots(own) if not _covers(spot, numbers, at, size))
        middle = next(free, next(_spots(own)))
        numbers.append(middle)
        if np.hypot(*(middle - own)) > RADII[0] + 0.01:
            ax.plot(*zip(own / size, middle / size, strict=True), transform=ax.transAxes, color=GRAY, linewidth=0.5)
        x, y = middle / size
        ax.text(x, y, str(point.number), transform=ax.transAxes, ha="center", va="center", fontsize=8, color=INK,
                zorder=4, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4})  # fmt: skip


def _spots(own: np.ndarray) -> Iterator[np.ndarray]:
    """Where the middle of a point's number may be, the nearest first."""
    for radius in RADII:
        for angle in np.linspace(0.25 * np.pi, 2.25 * np.pi, DIRECTIONS, endpoint=False):
            yield own + radius * np.array([np.cos(angle), np.sin(angle)])


def _covers(middle: np.ndarray, numbers: Sequence[np.ndarray], markers: np.ndarray, size: np.ndarray) -> bool:
    """Whether a number here would cover a marker or another number, or leave the axes."""
    room = np.array(NUMBER)
    outside = bool(np.any(middle < room / 2) or np.any(middle > size - room / 2))
    on_marker = np.all(np.abs(markers - middle) < (room + MARKER) / 2, axis=1)
    return outside or bool(on_marker.any()) or any(np.all(np.abs(other - middle) < room) for other in numbers)
