"""The colors and markers of each side; markers that are not filled like the others, and their entries in the legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes

from bench_core.report.plots.chart_types import Side
from bench_core.report.plots.colors import BLACK, BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION

COLORS = {
    Side.GPU: (BLUE, GREEN, SKY),
    Side.CPU: (VERMILLION, ORANGE, PURPLE),
    Side.CPU_ONE_THREAD: (BLACK, "#888888"),
}
MARKERS = {Side.GPU: "s", Side.CPU: "o", Side.CPU_ONE_THREAD: "D"}
SIZE = 5.5


@dataclass(frozen=True)
class MarkerStyle:
    """How much of a marker is filled, and its words in the legend."""

    fill: Literal["none", "left"]
    words: str


HOLLOW = MarkerStyle("none", "beside other work")
HALF_FILLED = MarkerStyle("left", "no interval")


def draw_markers(
    ax: Axes, x: Sequence[float], y: Sequence[float], marker: str, color: str, style: MarkerStyle, label: str = ""
) -> None:
    """Markers over those of a line, with a white face or half of one."""
    ax.plot(x, y, linestyle="none", marker=marker, markersize=SIZE, color="white", zorder=4)
    ax.plot(
        x, y, linestyle="none", marker=marker, markersize=SIZE, color=color, fillstyle=style.fill,
        markerfacecoloralt="white", zorder=5, label=label or None,
    )  # fmt: skip


def explain(ax: Axes, style: MarkerStyle) -> None:
    """Put a style into the legend."""
    draw_markers(ax, [], [], "o", INK, style, style.words)
