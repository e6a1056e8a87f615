"""The columns of the report's tables: how each cell is made from a figure, a comparison or a curve."""

from __future__ import annotations

from dataclasses import dataclass

from bench_core.analysis.comparison import Comparison, Result
from bench_core.analysis.speedup import Curve
from bench_core.core import text
from bench_core.report.answers import answer, crossover_cell
from bench_core.report.plots.series import MachineLabels, device_words
from bench_core.report.tables.table import Column, Link

_RATIO: tuple[Column[Comparison], ...] = (
    Column("Setting", lambda c: c.case.setting, once=True),
    Column("Dtype", lambda c: c.case.dtype, once=True),
    Column("Variant", lambda c: c.case.variant_label, once=True),
    Column("Batch", lambda c: text.whole(c.case.batch_size), numeric=True),
    Column("R", lambda c: text.ratio(c.ratio), numeric=True),
    Column("Interval of R", lambda c: text.ratio_interval(c.interval), numeric=True),
    Column("Verdict", lambda c: str(c.verdict)),
)
"""The case that two sides have in common, and how they compare."""


@dataclass(frozen=True)
class Columns:
    """Columns that know the machines' labels."""

    labels: MachineLabels

    def label(self, figure: Result) -> str:
        """The letter of a figure's machine."""
        return self.labels[figure.machine.hardware]

    def machine(self, c: Comparison) -> str:
        """The letter of a comparison's machine, or both."""
        sides = [side for side in (c.base, c.contender) if side is not None]
        return " and ".join(dict.fromkeys(map(self.label, sides)))

    def case(self) -> tuple[Column[Result], ...]:
        """What names a figure: machine, device and the case."""
        return (
            Column("Machine", self.label, once=True),
            Column("Device", device_words),
            Column("Setting", lambda f: f.case.setting, once=True),
            Column("Dtype", lambda f: f.case.dtype, once=True),
            Column("Variant", lambda f: f.case.variant_label, once=True),
            Column("Batch", lambda f: text.whole(f.case.batch_size), numeric=True),
        )

    def figures(self, unit: str) -> tuple[Column[Result], ...]:
        """The absolute base: times, intervals, number of samples, target and flags."""
        return (
            *self.case(),
            Column(f"Time per {unit}", lambda f: text.seconds(f.record.per_unit), numeric=True),
            Column("Interval", lambda f: text.seconds_interval(f.interval), numeric=True),
            Column("Half-width", lambda f: text.percent(f.record.timing.rel_half_width), numeric=True),
            Column("Target", _target),
            Column("Time per call", lambda f: text.seconds(f.record.timing.median), numeric=True),
            Column(
                f"{unit.capitalize() if unit.islower() else unit}/s",
                lambda f: text.count(f.record.throughput),
                numeric=True,
            ),
            Column("Samples", lambda f: text.whole(f.record.timing.count), numeric=True),
            Column("Flags", lambda f: "; ".join(flag.text for flag in f.record.flags)),
            Column("Device model", lambda f: f.record.device_model),
        )

    def extras(self) -> tuple[Column[Result], ...]:
        """Cold start, latency, host time, device time and memory."""
        return (
            *self.case(),
            Column("Cold start", lambda f: text.seconds(f.record.timing.cold_start), numeric=True),
            Column("Latency p50", lambda f: _latency(f, "p50"), numeric=True),
            Column("p95", lambda f: _latency(f, "p95"), numeric=True),
            Column("p99", lambda f: _latency(f, "p99"), numeric=True),
            Column("Single calls", lambda f: _latency_calls(f), numeric=True),
            Column("Host time", lambda f: text.seconds(f.record.timing.issue_time), numeric=True),
            Column("Device time", lambda f: text.seconds(f.record.timing.device_time), numeric=True),
            Column("Peak memory", lambda f: text.memory(f.record.peak_memory), numeric=True),
            Column("Error", lambda f: text.small(f.record.parity.error if f.record.parity else None), numeric=True),
            Column("Compile time", _compile_time, numeric=True),
            Column("Graph breaks", _graph_breaks, numeric=True),
        )

    def matched(self, unit: str) -> tuple[Column[Comparison], ...]:
        """CPU against GPU at the same case."""
        return (
            Column("Machine", self.machine, once=True),
            *_RATIO,
            *_sides(f"CPU time per {unit}", f"GPU time per {unit}"),
            Column("CPU threads", lambda c: _threads(c.base), numeric=True),
            Column("CPU", lambda c: _model(c.base)),
            Column("GPU", lambda c: _model(c.contender)),
            Column("Notes", lambda c: "; ".join(c.notes)),
        )

    def best(self) -> tuple[Column[Comparison], ...]:
        """Best against best, with what each side chose."""
        return (
            Column("Workload", lambda c: Link(c.case.workload, c.case.workload)),
            Column("Machine", self.machine, once=True),
            Column("Setting", lambda c: c.case.setting, once=True),
            Column("R", lambda c: text.ratio(c.ratio), numeric=True),
            Column("Interval of R", lambda c: text.ratio_interval(c.interval), numeric=True),
            Column("Verdict", lambda c: str(c.verdict)),
            *_sides("Best CPU time per unit", "Best GPU time per unit"),
            Column("CPU's choice", lambda c: _choice(c.base)),
            Column("GPU's choice", lambda c: _choice(c.contender)),
            Column("Notes", lambda c: "; ".join(c.notes)),
        )

    def threads(self) -> tuple[Column[Comparison], ...]:
        """One thread against all usable cores."""
        return (
            Column("Workload", lambda c: Link(c.case.workload, c.case.workload)),
            Column("Machine", self.machine, once=True),
            *_RATIO,
            *_sides("1 thread, time per unit", "All cores, time per unit"),
            Column("Threads", lambda c: _threads(c.contender), numeric=True),
            Column("Notes", lambda c: "; ".join(c.notes)),
        )

    def variants(self, unit: str) -> tuple[Column[Comparison], ...]:
        """Every other dtype and variant against fp32 in eager mode, on the same device."""
        return (
            Column("Machine", self.machine, once=True),
            Column("Device", lambda c: device_words(c.contender) if c.contender else text.NONE),
            *_RATIO,
            *_sides(f"Eager fp32, time per {unit}", f"This variant, time per {unit}"),
            Column("Notes", lambda c: "; ".join(c.notes)),
        )

    def curve(self) -> tuple[Column[Curve], ...]:
        """What a line of matched speedups comes to."""
        return (
            Column("Machine", lambda c: self.machine(next(iter(c.measured or c.rows))), once=True),
            Column("Worth it?", lambda c: answer(c).cell),
            Column("Crossover batch", crossover_cell),
            Column("Largest R (interval)", _peak, numeric=True),
            Column("at batch", lambda c: text.whole(c.peak and c.peak.case.batch_size), numeric=True),
            Column("CPU time/unit", lambda c: _time(c.peak and c.peak.base), numeric=True),
            Column("GPU time/unit", lambda c: _time(c.peak and c.peak.contender), numeric=True),
            Column("CPU threads", lambda c: _threads(c.peak and c.peak.base), numeric=True),
            Column("Case", lambda c: case_words(c.rows[0]), once=True),
        )


def case_words(c: Comparison) -> str:
    """Setting, dtype and variant of a comparison."""
    return ", ".join(part for part in (c.case.setting, c.case.dtype, c.case.variant_label) if part)


def _sides(base: str, contender: str) -> tuple[Column[Comparison], ...]:
    return (
        Column(base, lambda c: _time(c.base), numeric=True),
        Column("Interval", lambda c: text.seconds_interval(c.base and c.base.interval), numeric=True),
        Column(contender, lambda c: _time(c.contender), numeric=True),
        Column("Interval", lambda c: text.seconds_interval(c.contender and c.contender.interval), numeric=True),
    )


def _peak(curve: Curve) -> str:
    if curve.peak is None:
        return text.NONE
    interval = f" ({text.ratio_interval(curve.peak.interval)})" if curve.peak.interval else " (no interval)"
    return f"{text.ratio(curve.peak.ratio)}{interval}"


def _time(figure: Result | None) -> str:
    return text.seconds(figure.record.per_unit if figure else None)


def _threads(figure: Result | None) -> str:
    return text.whole(figure.record.threads if figure else None)


def _model(figure: Result | None) -> str:
    return text.NONE if figure is None else figure.record.device_model


def _choice(figure: Result | None) -> str:
    if figure is None:
        return text.NONE
    case = figure.case
    return f"batch {text.whole(case.batch_size)}, {case.dtype}, {case.variant_label}, {device_words(figure)}"


def _target(figure: Result) -> str:
    timing = figure.record.timing
    return "met" if timing.met_target else f"missed {text.percent(timing.rel_ci)}"


def _latency(figure: Result, name: str) -> str:
    latency = figure.record.timing.latency
    return text.seconds(getattr(latency, name) if latency else None)


def _compile_time(figure: Result) -> str:
    compilation = figure.record.compilation
    return text.seconds(compilation.seconds if compilation else None)


def _graph_breaks(figure: Result) -> str:
    compilation = figure.record.compilation
    return text.whole(compilation.graph_breaks if compilation else None)


def _latency_calls(figure: Result) -> str:
    latency = figure.record.timing.latency
    return text.whole(latency.calls if latency else None)


def best_throughput(columns: Columns) -> tuple[Column[Result], ...]:
    """A workload's figure of highest throughput."""
    return (
        Column("Workload", lambda f: Link(f.case.workload, f.case.workload)),
        Column("Machine", columns.label, once=True),
        Column("Units/s", lambda f: text.count(f.record.throughput), numeric=True),
        Column("Unit", lambda f: f.record.unit),
        Column("Time per unit", lambda f: text.seconds(f.record.per_unit), numeric=True),
        Column("Interval", lambda f: text.seconds_interval(f.interval), numeric=True),
        Column("At batch", lambda f: text.whole(f.case.batch_size), numeric=True),
        Column("Threads", _threads, numeric=True),
        Column("Case", lambda f: ", ".join(p for p in (f.case.setting, f.case.dtype, f.case.variant_label) if p)),
    )
