"""The plot of a series: its values, its levels, and where it steps from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench_core.analysis.history.steps import Step, SteppedSeries
from bench_core.core import text
from bench_core.report.history import words
from bench_core.report.plots import canvas
from bench_core.report.plots.colors import BLUE, GRAY, INK, VERMILLION

WIDTH, HEIGHT = 9.2, 2.5
LEFT, RIGHT, ABOVE, BELOW = 0.95, 0.5, 0.42, 0.4
FAR = 1.5
"""Values further than this factor outside all levels are drawn at the edge of the plot, as triangles."""
MAX_DATES = 6
LABEL_INCHES = 0.62
SMALL_FROM = 150
"""With more values than this, their markers are smaller."""


def svg(of: SteppedSeries) -> bytes:
    """The plot as SVG; the same series gives the same bytes."""
    with rc_context(canvas.SETTINGS):
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        size = ((WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - ABOVE - BELOW) / HEIGHT)
        ax = figure.add_axes((LEFT / WIDTH, BELOW / HEIGHT, *size))
        _draw(ax, of)
        file = BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _draw(ax: Axes, of: SteppedSeries) -> None:
    values = [value.value for value in of.series.values]
    levels = _levels(of)
    low, high = _limits(values, [level for _, _, level in levels])
    ax.set_xlim(-0.5 - 0.01 * len(values), len(values) - 0.5 + 0.01 * len(values))
    ax.set_ylim(low, high)
    _values(ax, of, low, high)
    for begin, end, level in levels:
        ax.plot([begin - 0.5, end - 0.5], [level, level], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=4)
    _steps(ax, of.steps, len(values))
    unit = of.series.id.unit
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.value(value, unit) if value > 0.0 else "0"))
    _dates(ax, [value.origin.started[:10] for value in of.series.values])
    canvas.clean(ax)
    ax.grid(visible=False, axis="x")
    ax.tick_params(axis="x", pad=7)  # so that a date does not touch a value at the bottom


def _levels(of: SteppedSeries) -> list[tuple[int, int, float]]:
    """Each level with the index of its first value, and that of the next level's."""
    cuts = [0, *(step.point.index for step in of.steps), len(of.series.values)]
    levels = [of.steps[0].point.before, *(step.point.after for step in of.steps)]
    return list(zip(cuts[:-1], cuts[1:], levels, strict=True))


def _limits(values: Sequence[float], levels: Sequence[float]) -> tuple[float, float]:
    """The range of the axis: all values that are not far from the levels, and a margin."""
    near = [value for value in values if min(levels) / FAR <= value <= max(levels) * FAR]
    low, high = min(*near, *levels), max(*near, *levels)
    margin = max(0.08 * (high - low), 0.01 * high)
    return low - margin, high + margin


def _values(ax: Axes, of: SteppedSeries, low: float, high: float) -> None:
    """Dots; hollow ones are of commits with uncommitted changes, triangles are beyond the axis."""
    size = 3.0 if len(of.series.values) > SMALL_FROM else 4.0
    for dirty in (False, True):
        chosen = [(i, v.value) for i, v in enumerate(of.series.values) if bool(v.origin.dirty) is dirty]
        face = "white" if dirty else BLUE
        for marker, inside in (
            ("o", [(i, v) for i, v in chosen if low <= v <= high]),
            ("^", [(i, high) for i, v in chosen if v > high]),
            ("v", [(i, low) for i, v in chosen if v < low]),
        ):
            if inside:
                x, y = zip(*inside, strict=True)
                ax.plot(
                    x, y, linestyle="none", marker=marker, markersize=size, color=BLUE, markerfacecolor=face,
                    markeredgewidth=0.8, alpha=0.75, zorder=3, clip_on=False,
                )  # fmt: skip


def _steps(ax: Axes, steps: Sequence[Step], count: int) -> None:
    """A line at each step, and above it the change; labels that would overlap are left out, the table has them."""
    free = float("-inf")
    inches = (WIDTH - LEFT - RIGHT) / count
    for step in steps:
        x = step.point.index - 0.5
        color = VERMILLION if step.is_regression else BLUE
        ax.axvline(x, color=color, linewidth=1.2, linestyle=":" if step.point.candidate else "--", zorder=2)
        if (x - free) * inches < LABEL_INCHES:
            continue
        free = x
        label = text.change(step.point.ratio) + ("?" if step.point.candidate else "")
        for y, line, of_color, weight in (
            (1.12, label, color, "bold"),
            (1.02, words.commit(step.first)[:8], GRAY, "normal"),
        ):
            ax.annotate(
                line, (x, y), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8.5,
                color=of_color, fontweight=weight, annotation_clip=False,
            )  # fmt: skip


def _dates(ax: Axes, dates: Sequence[str]) -> None:
    """The dates of some values, evenly spread."""
    most = min(MAX_DATES, len(dates))
    places = sorted({round(i * (len(dates) - 1) / max(1, most - 1)) for i in range(most)})
    ax.xaxis.set_major_locator(FixedLocator(places))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda place, _: dates[round(place)]))
