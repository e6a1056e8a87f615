"""What all plots share: sizes in inches, the space around the axes, and logarithmic axes.

Layout is in inches, not left to matplotlib: title, legend and footer have their own rows outside the axes, so that none
of them can cover data.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench_core.core import text
from bench_core.report.plots.chart_types import Chart
from bench_core.report.plots.colors import GRAY, INK

WIDTH = 4.6
LEFT, RIGHT, LINE = 0.78, 0.22, 0.2
TITLE_LETTERS, SUBTITLE_LETTERS, FOOTER_LETTERS, NAME_LETTERS = 44, 62, 74, 27
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench-core",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10.5,
    "axes.edgecolor": "#8c959f",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

Tick = Callable[[float], str]


def new_figure(chart: Chart, plot_height: float, legend_rows: int, left: float = LEFT) -> tuple[Figure, Axes]:
    """A figure with title, subtitle and footer set, and axes of this height in inches below the legend's rows."""
    figure, (ax,) = new_panels(chart, plot_height, legend_rows, [(left, WIDTH - RIGHT)])
    return figure, ax


def new_panels(
    chart: Chart, plot_height: float, legend_rows: int, places: Sequence[tuple[float, float]], width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """A figure as above, with several axes side by side; ``places`` are where they begin and end, in inches."""
    wider = width / WIDTH
    footer = textwrap.fill(chart.footer, int(wider * FOOTER_LETTERS))
    subtitle = textwrap.fill(chart.subtitle, int(wider * SUBTITLE_LETTERS))
    above = 0.2 + LINE * (2 + subtitle.count("\n") + legend_rows)
    below = 0.64 + 0.15 * (footer.count("\n") + 1)
    height = above + plot_height + below
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = [
        figure.add_axes((begin / width, below / height, (end - begin) / width, plot_height / height))
        for begin, end in places
    ]
    at = 0.02 / wider
    title = text.fitted(chart.title, int(wider * TITLE_LETTERS))
    figure.text(at, 1 - 0.06 / height, title, va="top", fontsize=11, fontweight="bold")
    figure.text(at, 1 - (0.08 + LINE) / height, subtitle, va="top", fontsize=9.5, color=GRAY)
    figure.text(at, 0.06 / height, footer, va="bottom", fontsize=8, color=GRAY)
    return figure, axes


def legend(figure: Figure, chart: Chart, columns: int) -> None:
    """The legend, between subtitle and axes."""
    letters = int(figure.get_figwidth() / WIDTH * SUBTITLE_LETTERS)
    lines = len(textwrap.wrap(chart.subtitle, letters))
    top = 1.0 - (0.12 + LINE * (1 + lines)) / figure.get_figheight()
    figure.legend(
        loc="upper left", bbox_to_anchor=(0.005, top), ncol=columns, frameon=False, fontsize=9.5,
        handlelength=2.2, columnspacing=1.4, borderaxespad=0.2,
    )  # fmt: skip


def name_width(names: Sequence[str]) -> float:
    """The inches that names of rows need on the left."""
    return 0.25 + 0.082 * min(NAME_LETTERS, max(map(len, names)))


def named_rows(ax: Axes, names: Sequence[str], space: float) -> None:
    """One row per name, the first at the top, with this much space (in rows) above the first and below the last."""
    ax.set_yticks(range(len(names)), [text.fitted(name, NAME_LETTERS) for name in names])
    ax.set_ylim(len(names) - 1 + space, -space)


def log_rows(ax: Axes, names: Sequence[str], values: Sequence[float], tick: Tick, apart: float) -> None:
    """Named rows over a logarithmic axis for these values; its ticks are at least ``apart`` inches apart."""
    named_rows(ax, names, space=0.6)
    ax.set_xscale("log")
    low, high = limits(values)
    ax.set_xlim(low, high)
    set_ticks(ax.xaxis, ticks(low, high, most=int((WIDTH - RIGHT - name_width(names)) / apart)), tick)
    clean(ax)


def log_axes(ax: Axes, batches: Sequence[int], values: Sequence[float], tick: Tick) -> None:
    """Logarithmic axes: batch sizes on the x axis, these values on the y axis."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    margin = (batches[-1] / batches[0]) ** 0.05 if len(batches) > 1 else 2.0
    ax.set_xlim(batches[0] / margin, batches[-1] * margin)
    set_ticks(ax.xaxis, spread_out(batches), _batch_tick)
    low, high = limits(values)
    ax.set_ylim(low, high)
    set_ticks(ax.yaxis, ticks(low, high), tick)
    clean(ax)


def spread_out(batches: Sequence[int]) -> list[int]:
    """Those of the ascending batch sizes, from the first on, that are a tenth of a logarithmic axis apart, or more."""
    least = (batches[-1] / batches[0]) ** 0.1
    kept = [batches[0]]
    for batch in batches[1:]:
        if batch >= least * kept[-1] * (1 - 1e-9):
            kept.append(batch)
    return kept


def set_ticks(axis: Axis, values: Sequence[float], tick: Tick) -> None:
    """Ticks at these values and nowhere else, labeled by ``tick``."""
    axis.set_major_locator(FixedLocator(values))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    axis.set_minor_locator(NullLocator())


def _batch_tick(value: float) -> str:
    return str(round(value)) if value < 1e4 else text.count(round(value))


def clean(ax: Axes) -> None:
    """A grid behind the data, and no frame."""
    ax.grid(visible=True, which="major", color="#d8dee4", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=3, labelsize=9.5)


def limits(values: Sequence[float]) -> tuple[float, float]:
    """The range of values with a margin, at least a factor of two wide, so that noise does not fill the plot."""
    low, high = min(values), max(values)
    widen = max(1.0, math.sqrt(2.0 / (high / low))) * (high / low) ** 0.06
    return low / widen, high * widen


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers within the limits: of several series, the densest that has at most this many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in (
        (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
        (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
        (1.0, 2.0, 5.0),
        (1.0, 3.0),
        (1.0,),
    ):
        inside = [s * 10.0**e for e in range(first, last + 1) for s in steps if low <= s * 10.0**e <= high]
        if len(inside) <= most:
            return inside
    return inside[:: math.ceil(len(inside) / most)]
