"""The columns of the report's tables: how each cell is made from a result, a comparison or a curve."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench_core.analysis.comparison import Comparison, Result
from bench_core.core import text
from bench_core.report.plots.series import MachineLabels, device_words
from bench_core.report.prices import Prices, price_per_million
from bench_core.report.tables.marks import marked, unchecked
from bench_core.report.tables.table import Column, Link

_RATIO: tuple[Column[Comparison], ...] = (
    Column("Setting", lambda c: c.case.setting, once=True),
    Column("Dtype", lambda c: c.case.dtype, once=True),
    Column("Variant", lambda c: c.case.variant_label, once=True),
    Column("Batch size", lambda c: text.whole(c.case.batch_size), numeric=True),
    Column("R", lambda c: text.ratio(c.ratio), numeric=True),
    Column("CI of R", lambda c: text.ratio_interval(c.interval), numeric=True),
    Column("Verdict", lambda c: c.verdict),
)
"""What two sides have in common, and how they compare."""


@dataclass(frozen=True)
class Columns:
    """Columns that name machines by their labels; ``prices`` are those of an hour, by the type of the device."""

    labels: MachineLabels
    prices: Prices = field(default_factory=dict)

    def label(self, result: Result) -> str:
        """The letter of a result's machine."""
        return self.labels[result.machine.hardware]

    def machine(self, c: Comparison) -> str:
        """The letter of a comparison's machine, or both."""
        sides = [side for side in (c.base, c.contender) if side is not None]
        return " and ".join(dict.fromkeys(map(self.label, sides)))

    def case(self) -> tuple[Column[Result], ...]:
        """What identifies a result: its machine, device and case."""
        return (
            Column("Machine", self.label, once=True),
            Column("Device", lambda r: marked(device_words(r), r.record.contended)),
            Column("Setting", lambda r: r.case.setting, once=True),
            Column("Dtype", lambda r: r.case.dtype, once=True),
            Column("Variant", lambda r: r.case.variant_label, once=True),
            Column("Batch size", lambda r: text.whole(r.case.batch_size), numeric=True),
        )

    def results(self, unit: str) -> tuple[Column[Result], ...]:
        """Absolute times with their intervals, the number of samples, the target and the flags."""
        return (
            *self.case(),
            Column(f"Time per {unit}", lambda r: text.seconds(r.record.per_unit), numeric=True),
            Column("CI", lambda r: text.seconds_interval(r.interval), numeric=True),
            Column("Half-width", lambda r: text.percent(r.record.timing.rel_half_width), numeric=True),
            Column("Target", _target),
            Column("Flags", lambda r: "; ".join(flag.text for flag in r.record.flags)),
            Column("Time per call", lambda r: text.seconds(r.record.timing.median), numeric=True),
            Column(
                f"{unit.capitalize() if unit.islower() else unit}/s",
                lambda r: text.count(r.record.throughput),
                numeric=True,
            ),
            Column("Samples", lambda r: text.whole(r.record.timing.count), numeric=True),
            Column("Device model", lambda r: r.record.device_model),
        )

    def latency(self) -> tuple[Column[Result], ...]:
        """Cold start, single calls, host time and device time."""
        return (
            *self.case(),
            Column("Cold start", lambda r: text.seconds(r.record.timing.cold_start), numeric=True),
            Column("Latency p50", lambda r: _latency(r, "p50"), numeric=True),
            Column("p95", lambda r: _latency(r, "p95"), numeric=True),
            Column("p99", lambda r: _latency(r, "p99"), numeric=True),
            Column("Single calls", _latency_calls, numeric=True),
            Column("Host time", lambda r: text.seconds(r.record.timing.issue_time), numeric=True),
            Column("Device time", lambda r: text.seconds(r.record.timing.device_time), numeric=True),
        )

    def costs(self, unit: str) -> tuple[Column[Result], ...]:
        """Memory, and, if they are known, energy and price."""
        return (
            *self.case(),
            Column("Device memory, peak", lambda r: text.memory(r.record.peak_memory), numeric=True),
            Column("Host memory, peak", lambda r: text.memory(r.record.peak_host_memory), numeric=True),
            Column(f"Energy per {unit}", _energy),
            Column(f"Price of a million, {unit}", self._price, numeric=True),
        )

    def _price(self, result: Result) -> str:
        price = price_per_million(result, self.prices)
        return text.NONE if price is None else text.significant(price)

    def precision(self) -> tuple[Column[Result], ...]:
        """The error against float64, what was compiled, and how 16 bits are used."""
        return (
            *self.case(),
            Column(
                "Relative error", lambda r: text.small(r.record.parity.error if r.record.parity else None), numeric=True
            ),
            Column("Unchecked", lambda r: unchecked([r.record.parity])),
            Column("Compile time", lambda r: text.seconds(_compilation(r, "seconds")), numeric=True),
            Column("Graphs", lambda r: text.whole(_compilation(r, "graphs")), numeric=True),
            Column("Graph breaks", lambda r: text.whole(_compilation(r, "graph_breaks")), numeric=True),
            Column("Compiled", _compiled_share, numeric=True),
            Column("16 bits", _casts),
        )

    def matched(self, unit: str) -> tuple[Column[Comparison], ...]:
        """CPU against GPU at the same case."""
        return (
            Column("Machine", self.machine, once=True),
            *_RATIO,
            *_sides(f"CPU time per {unit}", f"GPU time per {unit}"),
            Column("CPU threads", lambda c: threads_cell(c.base), numeric=True),
            Column("CPU", lambda c: _model(c.base)),
            Column("GPU", lambda c: _model(c.contender)),
            Column("Notes", lambda c: "; ".join(c.remarks)),
        )

    def best(self) -> tuple[Column[Comparison], ...]:
        """Best against best, with the case that is best on each side."""
        return (
            Column("Workload", lambda c: Link(c.case.workload, c.case.workload)),
            Column("Machine", self.machine, once=True),
            Column("Setting", lambda c: c.case.setting, once=True),
            Column("R", lambda c: text.ratio(c.ratio), numeric=True),
            Column("CI of R", lambda c: text.ratio_interval(c.interval), numeric=True),
            Column("Verdict", lambda c: c.verdict),
            *_sides("Best CPU time per unit", "Best GPU time per unit"),
            Column("Best CPU case", lambda c: _case(c.base)),
            Column("Best GPU case", lambda c: _case(c.contender)),
            Column("Notes", lambda c: "; ".join(c.remarks)),
        )

    def threads(self) -> tuple[Column[Comparison], ...]:
        """One thread against all usable cores."""
        return (
            Column("Workload", lambda c: Link(c.case.workload, c.case.workload)),
            Column("Machine", self.machine, once=True),
            *_RATIO,
            *_sides("1 thread, time per unit", "All cores, time per unit"),
            Column("Threads", lambda c: threads_cell(c.contender), numeric=True),
            Column("Notes", lambda c: "; ".join(c.remarks)),
        )

    def side_by_side(self) -> tuple[Column[Comparison], ...]:
        """Two runs at the same case."""
        return (
            Column("Workload", lambda c: c.case.workload),
            Column("Device", lambda c: device_words(c.contender) if c.contender else text.NONE, once=True),
            *_RATIO,
            *_sides("Base, time per unit", "Head, time per unit"),
            Column("Notes", lambda c: "; ".join(c.remarks)),
        )

    def variants(self, unit: str) -> tuple[Column[Comparison], ...]:
        """Every other dtype and variant against fp32 in eager mode, on the same device."""
        return (
            Column("Machine", self.machine, once=True),
            Column("Device", lambda c: device_words(c.contender) if c.contender else text.NONE),
            *_RATIO,
            *_sides(f"Eager fp32, time per {unit}", f"This variant, time per {unit}"),
            Column("Notes", lambda c: "; ".join(c.remarks)),
        )


def _sides(base: str, contender: str) -> tuple[Column[Comparison], ...]:
    return (
        Column(base, lambda c: time_cell(c.base), numeric=True),
        Column("CI", lambda c: text.seconds_interval(c.base and c.base.interval), numeric=True),
        Column(contender, lambda c: time_cell(c.contender), numeric=True),
        Column("CI", lambda c: text.seconds_interval(c.contender and c.contender.interval), numeric=True),
    )


def time_cell(result: Result | None) -> str:
    """The time per unit, marked if it is contended."""
    return marked(text.seconds(result.record.per_unit), result.record.contended) if result else text.NONE


def threads_cell(result: Result | None) -> str:
    """The number of CPU threads."""
    return text.whole(result.record.threads if result else None)


def _model(result: Result | None) -> str:
    return text.NONE if result is None else result.record.device_model


def _case(result: Result | None) -> str:
    if result is None:
        return text.NONE
    case = result.case
    return f"batch size {text.whole(case.batch_size)}, {case.dtype}, {case.variant_label}, {device_words(result)}"


def _energy(result: Result) -> str:
    """Joules per unit of each boundary."""
    record = result.record
    return "; ".join(f"{text.joules(one.per_call / record.units)}, {one.boundary}" for one in record.energy)


def _target(result: Result) -> str:
    timing = result.record.timing
    return "met" if timing.met_target else f"missed {text.percent(timing.rel_ci)}"


def _latency(result: Result, name: str) -> str:
    latency = result.record.timing.latency
    return text.seconds(getattr(latency, name) if latency else None)


def _compilation(result: Result, name: str) -> float | None:
    figure: float | None = getattr(result.record.compilation, name, None)
    return figure


def _compiled_share(result: Result) -> str:
    share = _compilation(result, "share")
    return text.NONE if share is None else text.share(share)


def _casts(result: Result) -> str:
    """How a case of 16 bits computes, and how many numbers its calls cast."""
    casts = result.record.casts
    if casts is None:
        return text.NONE
    if casts.weights is None or casts.others is None:
        return str(casts.mode)
    return f"{casts.mode}, {text.whole(casts.weights + casts.others)} numbers cast"


def _latency_calls(result: Result) -> str:
    latency = result.record.timing.latency
    return text.whole(latency.calls if latency else None)
