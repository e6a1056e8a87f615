"""From figures to what a plot draws: lines of points with their names. Knows no matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench_core.analysis.comparison import Comparison, Result, Verdict
from bench_core.analysis.speedup import Curve
from bench_core.core import stats
from bench_core.core.case import Case
from bench_core.core.results import Machine
from bench_core.core.stats import Interval

MOST_LINES = 6
RAW_POINTS = 40

MachineLabels = Mapping[str, str]
"""The letter of each machine, by its hardware."""


@dataclass(frozen=True)
class Point:
    """A figure at a batch; ``raw`` are samples in the same unit."""

    batch: int
    value: float
    interval: Interval | None
    raw: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """Points that belong together; ``side`` picks the colour: ``cpu``, ``cpu, 1 thread`` or ``gpu``."""

    label: str
    side: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Crossing:
    """Where a speedup curve passes 1, for a mark."""

    batch: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Chart:
    """A plot over batch sizes; both axes logarithmic. ``unity`` draws the line at 1."""

    title: str
    subtitle: str
    footer: str
    lines: tuple[Line, ...]
    tick: Callable[[float], str]
    unity: bool = False
    crossings: tuple[Crossing, ...] = ()


@dataclass(frozen=True)
class Row:
    """A named row of a dot chart: ratios with their intervals and verdicts."""

    label: str
    ratios: tuple[tuple[float, Interval | None, Verdict], ...]


@dataclass(frozen=True)
class DotChart:
    """Ratios of many workloads beside each other, on a logarithmic axis with a line at 1."""

    title: str
    subtitle: str
    footer: str
    axis: str
    words: Mapping[Verdict, str]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RungLine:
    """Values by the number of their rung; the last is the reference, and the only one with an interval."""

    label: str
    side: str
    values: tuple[tuple[int, float], ...]
    interval: Interval | None


@dataclass(frozen=True)
class RungChart:
    """What each rung of a ladder says, a row a rung, on a logarithmic axis; ``unity`` draws the line at 1."""

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
    """A named bar: seconds of each stage that it has, and of the whole."""

    label: str
    seconds: Mapping[str, float]
    whole: float


@dataclass(frozen=True)
class StackChart:
    """Bars of stages, one on the other, with a mark at the whole; ``stages`` are all names in order."""

    title: str
    subtitle: str
    footer: str
    axis: str
    stages: tuple[str, ...]
    bars: tuple[Bar, ...]


AnyChart = Chart | DotChart | RungChart | StackChart


def machine_label(label: str, machine: Machine) -> str:
    """How a plot names its machine."""
    return f"{label}: {machine.label}"


def line_key(figure: Result) -> tuple[str, Case]:
    """What the figures of one line have in common: the machine, and the case without its batch."""
    return figure.machine.hardware, replace(figure.case, batch_size=0)


def panels(figures: Sequence[Result]) -> list[tuple[Result, ...]]:
    """Figures in groups of at most ``MOST_LINES`` lines, split by setting, then dtype, then variant, where needed.

    Where some setting has several batches, those with only one are left out: lonely points. Where none has
    and the settings are many, there is no panel.
    """
    batches: dict[str, set[int]] = {}
    for figure in figures:
        batches.setdefault(figure.case.setting, set()).add(figure.case.batch_size)
    swept = {setting for setting, found in batches.items() if len(found) > 1}
    if not swept and len(batches) <= MOST_LINES // 2:
        swept = set(batches)
    kept = [figure for figure in figures if figure.case.setting in swept]
    keys = (lambda f: f.case.setting, lambda f: f.case.dtype, lambda f: f.case.variant_label)
    return _split(kept, keys)


def _split(figures: Sequence[Result], keys: Sequence[Callable[[Result], str]]) -> list[tuple[Result, ...]]:
    if not figures:
        return []
    if not keys or len({line_key(f) for f in figures}) <= MOST_LINES:
        return [tuple(figures)]
    groups: dict[str, list[Result]] = {}
    for figure in figures:
        groups.setdefault(keys[0](figure), []).append(figure)
    return [panel for group in groups.values() for panel in _split(group, keys[1:])]


def shared(figures: Iterable[Result]) -> str:
    """What all figures have in common, in words: setting, dtype and variant."""
    cases = [figure.case for figure in figures]
    parts = ({c.setting for c in cases}, {c.dtype for c in cases}, {c.variant_label for c in cases})
    return ", ".join(value for part in parts if len(part) == 1 for value in part if value)


def time_lines(figures: Sequence[Result], labels: MachineLabels) -> tuple[Line, ...]:
    """Seconds per unit over the batch."""
    return _lines(figures, labels, lambda figure, seconds: seconds / figure.record.units)


def throughput_lines(figures: Sequence[Result], labels: MachineLabels) -> tuple[Line, ...]:
    """Units per second over the batch."""
    return _lines(figures, labels, lambda figure, seconds: figure.record.units / seconds)


def _lines(
    figures: Sequence[Result], labels: MachineLabels, convert: Callable[[Result, float], float]
) -> tuple[Line, ...]:
    groups: dict[tuple[str, Case], list[Result]] = {}
    for figure in figures:
        groups.setdefault(line_key(figure), []).append(figure)
    names = _names([group[0] for group in groups.values()], labels)
    lines = []
    for name, group in zip(names, groups.values(), strict=True):
        ordered = sorted(group, key=lambda f: f.case.batch_size)
        points = tuple(_point(figure, convert) for figure in ordered)
        lines.append(Line(name, _side(group[0]), points))
    return tuple(lines)


def _point(figure: Result, convert: Callable[[Result, float], float]) -> Point:
    timing = figure.record.timing
    ends = None if timing.interval is None else sorted(convert(figure, end) for end in timing.interval)
    raw = tuple(convert(figure, sample) for sample in stats.thin(timing.samples, RAW_POINTS))
    interval = None if ends is None else (ends[0], ends[1])
    return Point(figure.case.batch_size, convert(figure, timing.median), interval, raw)


def _side(figure: Result) -> str:
    if figure.on_gpu:
        return "gpu"
    return "cpu, 1 thread" if figure.case.threads == 1 else "cpu"


def speedup_lines(curves: Sequence[Curve], labels: MachineLabels) -> tuple[Line, ...]:
    """R over the batch, a line for each curve that has a ratio."""
    drawn = [curve for curve in curves if curve.measured]
    firsts = [row.contender for curve in drawn for row in curve.measured[:1] if row.contender]
    names = _names(firsts, labels, lambda figure: f"{device_words(figure)} against CPU")
    lines = []
    for name, curve in zip(names, drawn, strict=True):
        rows = curve.measured
        points = tuple(Point(r.case.batch_size, r.ratio, r.interval) for r in rows if r.ratio is not None)
        across = ", across machines" if any(row.across_machines for row in rows) else ""
        lines.append(Line(name + across, "gpu", points))
    return tuple(lines)


def variant_lines(comparisons: Sequence[Comparison], labels: MachineLabels) -> tuple[Line, ...]:
    """R of each way of running the work against fp32 in eager mode on the same device, over the batch."""
    groups: dict[tuple[str, Case], list[Comparison]] = {}
    for c in comparisons:
        if c.contender:
            groups.setdefault(line_key(c.contender), []).append(c)
    firsts = [group[0].contender for group in groups.values() if group[0].contender]
    return tuple(
        Line(
            name,
            _side(first),
            tuple(Point(c.case.batch_size, c.ratio, c.interval) for c in group if c.ratio is not None),
        )
        for name, first, group in zip(_names(firsts, labels), firsts, groups.values(), strict=True)
    )


def crossings(curves: Sequence[Curve]) -> tuple[Crossing, ...]:
    """The crossovers that have a batch."""
    found = (curve.crossover for curve in curves)
    return tuple(Crossing(c.batch, *c.interval) for c in found if c.batch is not None)


def _names(firsts: Sequence[Result], labels: MachineLabels, device: Callable[[Result], str] | None = None) -> list[str]:
    """A name for each line: its device, and what distinguishes it from the others."""
    others = distinguishing(firsts, labels)
    devices = map(device or device_words, firsts)
    return [", ".join(part for part in parts if part) for parts in zip(devices, others, strict=True)]


def distinguishing(firsts: Sequence[Result], labels: MachineLabels) -> list[str]:
    """What tells each line from the others: setting, dtype, variant or machine."""
    parts = [
        [f.case.setting for f in firsts],
        [f.case.dtype for f in firsts],
        [f.case.variant_label for f in firsts],
        [f"machine {labels[f.machine.hardware]}" for f in firsts],
    ]
    differ = [part for part in parts if len(set(part)) > 1]
    return [", ".join(part[i] for part in differ if part[i]) for i in range(len(firsts))]


def device_words(figure: Result) -> str:
    """The device in words: ``GPU``, ``cuda:1``, or ``CPU, 16 threads``."""
    if figure.on_gpu:
        return "GPU" if figure.case.device == "cuda" else figure.case.device
    threads = figure.record.threads
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"


def speedup_rows(named: Sequence[tuple[str, Curve]]) -> tuple[Row, ...]:
    """A row of ratios for each named curve that has any, those of the largest ratio first."""
    rows = [
        Row(name, tuple((r.ratio, r.interval, r.verdict) for r in curve.measured if r.ratio is not None))
        for name, curve in named
    ]
    return by_size(row for row in rows if row.ratios)


def by_size(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows by their largest ratio, largest first."""
    return tuple(sorted(rows, key=lambda row: -max(ratio for ratio, _, _ in row.ratios)))


def machines_footer(figures: Iterable[Result], labels: MachineLabels, data: bool = True) -> str:
    """The machines of a plot and what its data are, so that it can stand alone."""
    found = list(figures)
    machines = {f.machine.hardware: f.machine for f in found}
    names = "; ".join(machine_label(labels[hardware], machine) for hardware, machine in machines.items())
    inputs = "; ".join(dict.fromkeys(f.record.data for f in found))
    return f"{names}. Data: {inputs}." if data else f"{names}."
