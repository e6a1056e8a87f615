"""What a chart shows: plain data, for ``draw`` to draw. Knows no matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from bench_core.analysis.comparison import Verdict
from bench_core.core.stats import Interval


class Side(Enum):
    """Which processor a line belongs to; it decides the line's color and marker."""

    CPU = auto()
    CPU_ONE_THREAD = auto()
    GPU = auto()


@dataclass(frozen=True)
class Point:
    """A value at a batch size; ``raw`` are samples in the same unit. ``contended``: measured beside other work."""

    batch: int
    value: float
    interval: Interval | None
    raw: tuple[float, ...] = ()
    contended: bool = False


@dataclass(frozen=True)
class Line:
    """Points that are joined by a line."""

    label: str
    side: Side
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Crossing:
    """Where a speedup curve crosses 1; an open end of its interval is ``None``."""

    batch: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LineChart:
    """Lines over the batch size, or what ``over`` names; both axes are logarithmic. ``unity`` draws a line at 1."""

    title: str
    subtitle: str
    footer: str
    lines: tuple[Line, ...]
    tick: Callable[[float], str]
    unity: bool = False
    crossings: tuple[Crossing, ...] = ()
    over: str = "Batch size"


@dataclass(frozen=True)
class Dot:
    """A ratio with its interval and verdict; a ``contended`` one has no verdict to show."""

    ratio: float
    interval: Interval | None
    verdict: Verdict
    contended: bool = False


@dataclass(frozen=True)
class Row:
    """A named row of a dot chart; one without dots is the heading of those below it."""

    label: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class DotChart:
    """Ratios of many workloads, one row each, on a logarithmic axis with a line at 1."""

    title: str
    subtitle: str
    footer: str
    axis: str
    words: Mapping[Verdict, str]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RungLine:
    """Values by the number of their rung; the last is the reference, and the only one with an interval.

    ``contended`` holds the numbers of the rungs that were measured beside other work.
    """

    label: str
    side: Side
    values: tuple[tuple[int, float], ...]
    interval: Interval | None
    contended: frozenset[int] = frozenset()


@dataclass(frozen=True)
class RungChart:
    """What each rung of a ladder reports, one row per rung, on a logarithmic axis; ``unity`` draws a line at 1."""

    title: str
    subtitle: str
    footer: str
    axis: str
    rungs: tuple[str, ...]
    lines: tuple[RungLine, ...]
    tick: Callable[[float], str]
    unity: bool = False


@dataclass(frozen=True)
class Bar:
    """A named bar: seconds of each of its stages, and of the whole call. ``contended``: measured beside other work.
    ``doubt`` stands at the end of a bar that is flagged."""

    label: str
    seconds: Mapping[str, float]
    whole: float
    contended: bool = False
    doubt: str = ""


@dataclass(frozen=True)
class StackChart:
    """Bars of stages, stacked, with a mark at the whole call; ``stages`` are all names in order."""

    title: str
    subtitle: str
    footer: str
    axis: str
    stages: tuple[str, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Mark:
    """A value of a row; ``of`` is the number of its series. ``raw`` are samples in the same unit, ``limit`` is what the
    value must not exceed. ``contended``: measured beside other work."""

    of: int
    value: float
    interval: Interval | None = None
    raw: tuple[float, ...] = ()
    limit: float | None = None
    contended: bool = False


@dataclass(frozen=True)
class MarkChart:
    """Marks in named rows on a logarithmic axis; ``series`` are their labels, with the side that decides the color if
    there is one. ``limit`` is what the legend calls the limits."""

    title: str
    subtitle: str
    footer: str
    axis: str
    series: tuple[tuple[str, Side | None], ...]
    rows: tuple[tuple[str, tuple[Mark, ...]], ...]
    tick: Callable[[float], str]
    limit: str = ""


@dataclass(frozen=True)
class Roof:
    """A ceiling: FLOP/s, or bytes per second."""

    label: str
    flops: float | None = None
    bandwidth: float | None = None


@dataclass(frozen=True)
class RoofPoint:
    """Work under the roofs: its number, FLOP/byte and FLOP/s, and the group that decides its color. ``contended``:
    measured beside other work."""

    number: int
    intensity: float
    flops: float
    group: str
    contended: bool = False


@dataclass(frozen=True)
class RooflineChart:
    """FLOP/s over FLOP/byte, both logarithmic, below the roofs; ``groups`` are all groups in order."""

    title: str
    subtitle: str
    footer: str
    roofs: tuple[Roof, ...]
    groups: tuple[str, ...]
    points: tuple[RoofPoint, ...]


@dataclass(frozen=True)
class Figure:
    """A value of a panel's row with its interval; ``contended``: measured beside other work."""

    value: float
    interval: Interval | None = None
    contended: bool = False


@dataclass(frozen=True)
class Panel:
    """A panel: its title, its axis (logarithmic with a line at 1, or a share of 0 to 1), and a figure or none for each
    row."""

    title: str
    figures: tuple[Figure | None, ...]
    share: bool = False


@dataclass(frozen=True)
class PanelChart:
    """Panels side by side that share their rows; ``groups`` are the names of the rows, by the group's heading."""

    title: str
    subtitle: str
    footer: str
    groups: Mapping[str, tuple[str, ...]]
    panels: tuple[Panel, ...]


Chart = LineChart | DotChart | RungChart | StackChart | PanelChart | MarkChart | RooflineChart
