"""Charts as matplotlib figures, through its object interface only.

Layout is by inches, not by matplotlib's own: title, legend and footer get their rows outside the axes, so that none of
them can cover data.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench_core.analysis.comparison import Verdict
from bench_core.core import text
from bench_core.report.plots.series import AnyChart, Chart, Crossing, DotChart, Line, Point, RungChart, StackChart

# Okabe & Ito's colours, told apart by most readers however they see colour.
BLUE, SKY, GREEN, ORANGE, VERMILLION, PURPLE, BLACK = (
    "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#222222",
)  # fmt: skip
COLOURS = {"gpu": (BLUE, GREEN, SKY), "cpu": (VERMILLION, ORANGE, PURPLE), "cpu, 1 thread": (BLACK, "#888888")}
STAGE_COLOURS = (ORANGE, SKY, GREEN, BLUE, PURPLE, VERMILLION)
MARKERS = {"gpu": "s", "cpu": "o", "cpu, 1 thread": "D"}
DASHES = ("-", "--", ":")
VERDICT_STYLE = {
    Verdict.FASTER: (BLUE, "o"),
    Verdict.SLOWER: (VERMILLION, "s"),
    Verdict.SAME: ("#666666", "D"),
    Verdict.UNCLEAR: ("#666666", "x"),
}
WIDTH, PLOT_HEIGHT = 4.6, 2.6
TITLE_LETTERS, SUBTITLE_LETTERS, FOOTER_LETTERS, LEGEND_LETTERS, NAME_LETTERS = 44, 62, 74, 23, 27
LEFT, RIGHT, LINE = 0.78, 0.22, 0.2
INK, GREY = "#1f2328", "#57606a"
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


def save(chart: AnyChart, svg: Path, png: Path) -> None:
    """Draw a chart into two files; the same chart gives the same bytes."""
    with rc_context(SETTINGS):
        figure = draw(chart)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=150, metadata={"Software": None})


def draw(chart: AnyChart) -> Figure:
    """A chart as a figure."""
    match chart:
        case Chart():
            return lines_figure(chart)
        case DotChart():
            return dots_figure(chart)
        case RungChart():
            return rungs_figure(chart)
        case StackChart():
            return bars_figure(chart)


def lines_figure(chart: Chart) -> Figure:
    """Lines over the batch, with raw points behind them and intervals on them."""
    legend_rows = math.ceil((len(chart.lines) + len(chart.crossings[:1])) / _legend_columns(chart))
    figure, ax = _canvas(chart, PLOT_HEIGHT, legend_rows)
    batches = sorted({point.batch for line in chart.lines for point in line.points})
    used: dict[str, int] = {}
    for line in chart.lines:
        nth = used.setdefault(line.side, 0)
        used[line.side] += 1
        _draw_line(ax, line, nth, (batches[-1] / batches[0]) ** 0.025 if len(batches) > 1 else 1.04)
    values = [v for line in chart.lines for p in line.points for v in (p.value, *(p.interval or ()), *p.raw)]
    _log_axes(ax, batches, values + ([1.0] if chart.unity else []), chart)
    if chart.unity:
        _draw_unity(ax, chart.crossings)
    ax.set_xlabel("Batch size")
    _legend(figure, chart, _legend_columns(chart))
    return figure


def dots_figure(chart: DotChart) -> Figure:
    """A row of dots for each name: all ratios on a line, coloured by verdict."""
    height = 0.24 * len(chart.rows) + 0.15
    legend_rows = math.ceil(len({verdict for row in chart.rows for _, _, verdict in row.ratios}) / 2)
    names = [row.label for row in chart.rows]
    figure, ax = _canvas(chart, height, legend_rows, left=_name_width(names))
    for y, row in enumerate(chart.rows):
        ratios = [ratio for ratio, _, _ in row.ratios]
        ax.plot([min(ratios), max(ratios)], [y, y], color="#d0d7de", linewidth=2, zorder=1)
        for ratio, interval, verdict in row.ratios:
            colour, marker = VERDICT_STYLE[verdict]
            if interval:
                ax.plot(interval, [y, y], color=colour, linewidth=1.2, zorder=2)
            ax.plot([ratio], [y], color=colour, marker=marker, markersize=4.5, linestyle="none", zorder=3)
    ax.axvline(1.0, color=INK, linewidth=1)
    values = [v for row in chart.rows for ratio, interval, _ in row.ratios for v in (ratio, *(interval or ()))]
    _row_axes(ax, names, [*values, 1.0], text.ratio, apart=0.5)
    ax.set_xlabel(chart.axis, loc="right")
    present = {verdict for row in chart.rows for _, _, verdict in row.ratios}
    for verdict, (colour, marker) in VERDICT_STYLE.items():
        if verdict not in present:
            continue
        ax.plot([], [], color=colour, marker=marker, linestyle="none", markersize=5, label=chart.words[verdict])
    _legend(figure, chart, 2)
    return figure


def rungs_figure(chart: RungChart) -> Figure:
    """A row for each rung and a line down them for each device; dashed, what its last rung says."""
    figure, ax = _canvas(chart, 0.3 * len(chart.rungs) + 0.15, legend_rows=1, left=_name_width(chart.rungs))
    for line in chart.lines:
        colour, (rungs, values) = COLOURS[line.side][0], zip(*line.values, strict=True)
        ax.axvline(values[-1], color=colour, linewidth=1, linestyle="--", alpha=0.7, zorder=1)
        ax.plot(values, rungs, color=colour, marker=MARKERS[line.side], markersize=5, linewidth=1.2, label=line.label)
        if line.interval:
            ax.plot(line.interval, [rungs[-1]] * 2, color=colour, linewidth=4, alpha=0.4, zorder=2)
    found = [v for line in chart.lines for v in (*(value for _, value in line.values), *(line.interval or ()))]
    if chart.unity:
        ax.axvline(1.0, color=INK, linewidth=1)
    _row_axes(ax, chart.rungs, [*found, 1.0] if chart.unity else found, chart.tick, apart=0.62)
    ax.set_xlabel(chart.axis, loc="right")
    _legend(figure, chart, 2)
    return figure


def _row_axes(
    ax: Axes, names: Sequence[str], values: Sequence[float], tick: Callable[[float], str], apart: float
) -> None:
    """Named rows from the top, over a logarithmic axis that holds all values; ticks stand ``apart`` inches or more."""
    ax.set_yticks(range(len(names)), [text.fitted(name, NAME_LETTERS) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xscale("log")
    low, high = _limits(values)
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(FixedLocator(ticks(low, high, most=int((WIDTH - RIGHT - _name_width(names)) / apart))))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text.short(tick(value))))
    _clean(ax)


def bars_figure(chart: StackChart) -> Figure:
    """A bar for each name, its stages beside each other from 0 on, and a mark at the whole."""
    legend_rows = math.ceil((len(chart.stages) + 1) / 3)
    left = _name_width([bar.label for bar in chart.bars])
    figure, ax = _canvas(chart, 0.3 * len(chart.bars) + 0.15, legend_rows, left)
    for nth, stage in enumerate(chart.stages):
        lengths = [bar.seconds.get(stage, 0.0) for bar in chart.bars]
        before = [sum(bar.seconds.get(name, 0.0) for name in chart.stages[:nth]) for bar in chart.bars]
        colour = STAGE_COLOURS[nth % len(STAGE_COLOURS)]
        ax.barh(range(len(chart.bars)), lengths, left=before, height=0.62, color=colour, label=stage, zorder=2)
    wholes = [bar.whole for bar in chart.bars]
    # As error bars, and not as a line, so that the legend names it after the stages.
    mark: Any = {"fmt": "|", "color": INK, "markersize": 17, "markeredgewidth": 2}
    ax.errorbar(wholes, range(len(wholes)), **mark, label="whole call", zorder=3)
    ax.set_yticks(range(len(wholes)), [text.fitted(bar.label, NAME_LETTERS) for bar in chart.bars])
    ax.set_ylim(len(wholes) - 0.5, -0.5)
    high = 1.06 * max(max(bar.whole, sum(bar.seconds.values())) for bar in chart.bars)
    ax.set_xlim(0.0, high)
    found = MaxNLocator(max(2, int((WIDTH - RIGHT - left) / 0.6))).tick_values(0.0, high)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in found if tick <= high]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text.short(text.seconds(value)) if value else "0"))
    ax.set_xlabel(chart.axis, loc="right")
    _clean(ax)
    _legend(figure, chart, 3)
    return figure


def _legend(figure: Figure, chart: AnyChart, columns: int) -> None:
    top = 1.0 - (0.12 + LINE * (1 + _lines_of(chart.subtitle))) / figure.get_figheight()
    figure.legend(
        loc="upper left", bbox_to_anchor=(0.005, top), ncol=columns, frameon=False, fontsize=9.5,
        handlelength=2.2, columnspacing=1.4, borderaxespad=0.2,
    )  # fmt: skip


def _canvas(chart: AnyChart, plot_height: float, legend_rows: int, left: float = LEFT) -> tuple[Figure, Axes]:
    """A figure with title, subtitle and footer set, and axes of this height in inches below the legend's rows."""
    footer = textwrap.fill(chart.footer, FOOTER_LETTERS)
    above = 0.2 + LINE * (1 + _lines_of(chart.subtitle) + legend_rows)
    below = 0.64 + 0.15 * (footer.count("\n") + 1)
    height = above + plot_height + below
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    ax = figure.add_axes((left / WIDTH, below / height, (WIDTH - left - RIGHT) / WIDTH, plot_height / height))
    figure.text(
        0.02, 1 - 0.06 / height, text.fitted(chart.title, TITLE_LETTERS), va="top", fontsize=11, fontweight="bold"
    )
    figure.text(
        0.02,
        1 - (0.08 + LINE) / height,
        textwrap.fill(chart.subtitle, SUBTITLE_LETTERS),
        va="top",
        fontsize=9.5,
        color=GREY,
    )
    figure.text(0.02, 0.06 / height, footer, va="bottom", fontsize=8, color=GREY)
    return figure, ax


def _lines_of(subtitle: str) -> int:
    return len(textwrap.wrap(subtitle, SUBTITLE_LETTERS))


def _legend_columns(chart: Chart) -> int:
    return 2 if max((len(line.label) for line in chart.lines), default=0) <= LEGEND_LETTERS else 1


def _name_width(names: Sequence[str]) -> float:
    return 0.25 + 0.082 * min(NAME_LETTERS, max(map(len, names)))


def _draw_line(ax: Axes, line: Line, nth: int, spread: float) -> None:
    colours = COLOURS[line.side]
    colour, dash, marker = colours[nth % len(colours)], DASHES[nth // len(colours) % len(DASHES)], MARKERS[line.side]
    for point in line.points:
        # Spread sideways in the order taken, else they would hide behind the median.
        x = point.batch * np.geomspace(1 / spread, spread, len(point.raw))
        ax.plot(x, point.raw, linestyle="none", marker=".", markersize=4, color=colour, alpha=0.4, mew=0, zorder=1)
    at, values = [p.batch for p in line.points], [p.value for p in line.points]
    ax.plot(at, values, dash, color=colour, marker=marker, markersize=4, linewidth=1.4, label=line.label, zorder=3)
    known = [(p, p.interval) for p in line.points if p.interval]
    if known:
        errors = [[p.value - i[0] for p, i in known], [i[1] - p.value for p, i in known]]
        places = [p.batch for p, _ in known], [p.value for p, _ in known]
        ax.errorbar(*places, yerr=errors, linestyle="none", ecolor=colour, elinewidth=1.2, capsize=3.5, zorder=2)
    _mark_unsure(ax, line.points, marker, colour)


def _mark_unsure(ax: Axes, points: Sequence[Point], marker: str, colour: str) -> None:
    """A hollow marker where there is no interval."""
    unsure = [p for p in points if p.interval is None]
    ax.plot(
        [p.batch for p in unsure], [p.value for p in unsure], linestyle="none", marker=marker, markersize=5,
        markerfacecolor="white", markeredgecolor=colour, zorder=4,
    )  # fmt: skip


def _draw_unity(ax: Axes, crossings: Sequence[Crossing]) -> None:
    ax.axhline(1.0, color=INK, linewidth=1, zorder=2)
    low, high = ax.get_ylim()
    ax.axhspan(1.0, high, color=BLUE, alpha=0.06, linewidth=0, zorder=0)
    ax.axhspan(low, 1.0, color=VERMILLION, alpha=0.06, linewidth=0, zorder=0)
    left, right = ax.get_xlim()
    for nth, found in enumerate(crossings):
        label = f"crossover at {text.significant(found.batch)}" if len(crossings) == 1 else "crossovers"
        ax.axvspan(found.low or left, found.high or right, color=PURPLE, alpha=0.25, linewidth=0, zorder=1)
        ax.axvline(found.batch, color=PURPLE, linewidth=1.3, linestyle="--", label=None if nth else label, zorder=2)


def _log_axes(ax: Axes, batches: Sequence[int], values: Sequence[float], chart: Chart) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    shown = batches[:: math.ceil(len(batches) / 8)]
    margin = (batches[-1] / batches[0]) ** 0.05 if len(batches) > 1 else 2.0
    ax.set_xlim(batches[0] / margin, batches[-1] * margin)
    ax.xaxis.set_major_locator(FixedLocator(shown))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _batch_tick(value)))
    low, high = _limits(values)
    ax.set_ylim(low, high)
    ax.yaxis.set_major_locator(FixedLocator(ticks(low, high)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text.short(chart.tick(value))))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_locator(NullLocator())
    _clean(ax)


def _batch_tick(value: float) -> str:
    return str(round(value)) if value < 1e4 else text.count(round(value))


def _clean(ax: Axes) -> None:
    ax.grid(visible=True, which="major", color="#d8dee4", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=3, labelsize=9.5)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """The range of values with a margin, at least a factor of two wide, so that noise does not fill the plot."""
    low, high = min(values), max(values)
    widen = max(1.0, math.sqrt(2.0 / (high / low))) * (high / low) ** 0.06
    return low / widen, high * widen


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers within the limits: the densest of several series that has at most this many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in (
        (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
        (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
        (1.0, 2.0, 5.0),
        (1.0, 3.0),
        (1.0,),
    ):
        found = [s * 10.0**e for e in range(first, last + 1) for s in steps if low <= s * 10.0**e <= high]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]
