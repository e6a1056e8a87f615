"""From results to what a chart shows: lines of points, rows of ratios, and their names. Knows no matplotlib."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bench_core.analysis.comparison import Comparison, Result
from bench_core.analysis.speedup import Curve
from bench_core.core import stats
from bench_core.core.case import Case, device_title
from bench_core.core.machine import Machine
from bench_core.report.plots.chart_types import Crossing, Dot, Line, Point, Row, Side

MAX_LINES = 6
MAX_RAW_POINTS = 40

MachineLabels = Mapping[str, str]
"""The letter of each machine, by its hardware."""


def machine_label(letter: str, machine: Machine) -> str:
    """How a plot names its machine."""
    return f"{letter}: {machine.label}"


def line_key(result: Result) -> tuple[str, Case]:
    """What the results of one line have in common: the machine, and the case without its batch."""
    return result.machine.hardware, replace(result.case, batch_size=0)


def panels(results: Sequence[Result]) -> list[tuple[Result, ...]]:
    """Results in groups of at most ``MAX_LINES`` lines, split by setting, then dtype, then variant, where necessary.

    Settings with a single batch are left out: they would be isolated points. So is a group in which no line has several
    batches.
    """
    batches: dict[str, set[int]] = {}
    for result in results:
        batches.setdefault(result.case.setting, set()).add(result.case.batch_size)
    shown = [result for result in results if len(batches[result.case.setting]) > 1]
    keys = (lambda r: r.case.setting, lambda r: r.case.dtype, lambda r: r.case.variant_label)
    return [group for group in _split(shown, keys) if max(Counter(map(line_key, group)).values()) > 1]


def _split(results: Sequence[Result], keys: Sequence[Callable[[Result], str]]) -> list[tuple[Result, ...]]:
    if not results:
        return []
    if not keys or len({line_key(result) for result in results}) <= MAX_LINES:
        return [tuple(results)]
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(keys[0](result), []).append(result)
    return [panel for group in groups.values() for panel in _split(group, keys[1:])]


def shared(results: Iterable[Result]) -> str:
    """What all results have in common, in words: setting, dtype and variant."""
    cases = [result.case for result in results]
    parts = ({c.setting for c in cases}, {c.dtype for c in cases}, {c.variant_label for c in cases})
    return ", ".join(value for part in parts if len(part) == 1 for value in part if value)


def time_lines(results: Sequence[Result], labels: MachineLabels) -> tuple[Line, ...]:
    """Seconds per unit over the batch size."""
    return _lines(results, labels, lambda result, seconds: seconds / result.record.units)


def throughput_lines(results: Sequence[Result], labels: MachineLabels) -> tuple[Line, ...]:
    """Units per second over the batch size."""
    return _lines(results, labels, lambda result, seconds: result.record.units / seconds)


def _lines(
    results: Sequence[Result], labels: MachineLabels, convert: Callable[[Result, float], float]
) -> tuple[Line, ...]:
    groups: dict[tuple[str, Case], list[Result]] = {}
    for result in results:
        groups.setdefault(line_key(result), []).append(result)
    names = _names([group[0] for group in groups.values()], labels)
    lines = []
    for name, group in zip(names, groups.values(), strict=True):
        ordered = sorted(group, key=lambda result: result.case.batch_size)
        points = tuple(_point(result, convert) for result in ordered)
        lines.append(Line(name, side(group[0]), points))
    return tuple(lines)


def _point(result: Result, convert: Callable[[Result, float], float]) -> Point:
    timing = result.record.timing
    ends = None if timing.interval is None else sorted(convert(result, end) for end in timing.interval)
    raw = tuple(convert(result, sample) for sample in stats.thin(timing.samples, MAX_RAW_POINTS))
    interval = None if ends is None else (ends[0], ends[1])
    return Point(
        result.case.batch_size, convert(result, timing.median), interval, raw, contended=result.record.contended
    )


def side(result: Result) -> Side:
    """Which processor a result is from."""
    if result.on_gpu:
        return Side.GPU
    return Side.CPU_ONE_THREAD if result.case.threads == 1 else Side.CPU


def speedup_lines(curves: Sequence[Curve], labels: MachineLabels) -> tuple[Line, ...]:
    """R over the batch size, one line for each curve that has a ratio."""
    drawn = [curve for curve in curves if curve.measured]
    firsts = [row.contender for curve in drawn for row in curve.measured[:1] if row.contender]
    names = _names(firsts, labels, lambda result: f"{device_words(result)} against CPU")
    lines = []
    for name, curve in zip(names, drawn, strict=True):
        rows = curve.measured
        across = ", across machines" if any(row.across_machines for row in rows) else ""
        lines.append(Line(name + across, Side.GPU, _ratio_points(rows)))
    return tuple(lines)


def variant_lines(comparisons: Sequence[Comparison], labels: MachineLabels) -> tuple[Line, ...]:
    """R of each dtype and variant against fp32 in eager mode on the same device, over the batch size."""
    groups: dict[tuple[str, Case], list[Comparison]] = {}
    for c in comparisons:
        if c.contender:
            groups.setdefault(line_key(c.contender), []).append(c)
    firsts = [group[0].contender for group in groups.values() if group[0].contender]
    return tuple(
        Line(name, side(first), _ratio_points(group))
        for name, first, group in zip(_names(firsts, labels), firsts, groups.values(), strict=True)
    )


def _ratio_points(comparisons: Iterable[Comparison]) -> tuple[Point, ...]:
    return tuple(
        Point(c.case.batch_size, c.ratio, c.interval, contended=c.contended) for c in comparisons if c.ratio is not None
    )


def crossings(curves: Sequence[Curve]) -> tuple[Crossing, ...]:
    """The crossovers that have a batch."""
    crossovers = (curve.crossover for curve in curves)
    return tuple(Crossing(c.batch, *c.interval) for c in crossovers if c.batch is not None)


def _names(firsts: Sequence[Result], labels: MachineLabels, device: Callable[[Result], str] | None = None) -> list[str]:
    """A name for each line: its device, and what distinguishes it from the others."""
    others = distinguishing(firsts, labels)
    devices = map(device or device_words, firsts)
    return [", ".join(part for part in parts if part) for parts in zip(devices, others, strict=True)]


def device_names(firsts: Sequence[Result], labels: MachineLabels) -> list[str]:
    """A name for each result of a device: the device, and its machine if there are several."""
    several = len({first.machine.hardware for first in firsts}) > 1
    return [device_words(r) + (f", machine {labels[r.machine.hardware]}" if several else "") for r in firsts]


def distinguishing(firsts: Sequence[Result], labels: MachineLabels) -> list[str]:
    """What distinguishes each line from the others: setting, dtype, variant or machine."""
    return differing(
        [first.case.setting for first in firsts],
        [first.case.dtype for first in firsts],
        [first.case.variant_label for first in firsts],
        [f"machine {labels[first.machine.hardware]}" for first in firsts],
    )


def differing(*parts: Sequence[str]) -> list[str]:
    """The words in which lines differ, for each line; each of ``parts`` has a word for every line."""
    differ = [part for part in parts if len(set(part)) > 1]
    return [", ".join(filter(None, words)) for words in zip(*differ, strict=True)] or [""] * len(parts[0])


def case_labels(results: Sequence[Result], labels: MachineLabels) -> list[str]:
    """What distinguishes each result: setting, dtype, variant, machine, batch and device."""
    others = distinguishing(results, labels)
    batches = [f"b{result.case.batch_size}" for result in results]
    devices = [device_words(result) for result in results]
    parts = [others, *(part for part in (batches, devices) if len(set(part)) > 1)]
    names = [", ".join(word for word in words if word) for words in zip(*parts, strict=True)]
    return [name or device for name, device in zip(names, devices, strict=True)]


def device_words(result: Result) -> str:
    """The device in words: ``GPU``, ``cuda:1``, or ``CPU, 16 threads``."""
    if result.on_gpu:
        return device_title(result.case.device)
    threads = result.record.threads
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"


def speedup_rows(named: Sequence[tuple[str, Curve]]) -> tuple[Row, ...]:
    """A row of ratios for each named curve that has any, the row with the largest ratio first."""
    rows = [Row(name, dots(curve.measured)) for name, curve in named]
    return by_size(row for row in rows if row.dots)


def dots(comparisons: Iterable[Comparison]) -> tuple[Dot, ...]:
    """The ratios of comparisons, those without one left out."""
    return tuple(Dot(c.ratio, c.interval, c.verdict, c.contended) for c in comparisons if c.ratio is not None)


def by_size(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows by their largest ratio, largest first."""
    return tuple(sorted(rows, key=lambda row: -max(dot.ratio for dot in row.dots)))


def machines_footer(results: Iterable[Result], labels: MachineLabels, data: bool = True) -> str:
    """The machines of a plot and its input data, so that the plot can be read without the page."""
    results = list(results)
    machines = {result.machine.hardware: result.machine for result in results}
    names = "; ".join(machine_label(labels[hardware], machine) for hardware, machine in machines.items())
    inputs = "; ".join(dict.fromkeys(result.record.data for result in results))
    return f"{names}. Data: {inputs}." if data else f"{names}."
