"""Compares two results: the ratio of their times, its confidence interval, the verdict, and how the two differ.

Every ratio is t_base / t_contender of the time per unit, so above 1 the contender is faster. Intervals come from the
samples within one process and understate the noise between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from bench_core.core.case import Case
from bench_core.core.machine import Machine
from bench_core.core.records import Record, Run, RunInfo
from bench_core.core.stats import Interval, ratio_interval
from bench_core.core.trust import disturbances, doubts

ComparisonKind = Literal["matched", "best against best", "threads", "variants", "descriptive"]

SIDES: Mapping[ComparisonKind, tuple[str, str]] = {
    "matched": ("CPU", "GPU"),
    "best against best": ("CPU", "GPU"),
    "threads": ("one thread", "all cores"),
    "variants": ("eager fp32", "the other one"),
    "descriptive": ("base", "head"),
}
"""How each kind of comparison calls its base and its contender."""

TOLERANCE = 0.05
DESCRIPTIVE = (
    "The comparison is descriptive, not a significance test: each side is one process, and repeats within a process "
    "understate the noise between processes."
)


class Verdict(StrEnum):
    """What a ratio's interval says about the contender."""

    FASTER = "FASTER"
    SLOWER = "SLOWER"
    SAME = "SAME"
    UNCLEAR = "UNCLEAR"
    MISSING = "MISSING"


def verdict(interval: Interval | None, tolerance: float = TOLERANCE) -> Verdict:
    """The verdict on a ratio, from its interval.

    SAME if the interval lies entirely within 1 +/- ``tolerance``; otherwise FASTER if it lies entirely above 1, SLOWER
    if entirely below 1, and UNCLEAR in all other cases or without an interval. SAME comes first: a significant
    difference that is smaller than the tolerance is no reason to act, and the interval does not include the noise
    between processes.

    Raises ``ValueError`` for a tolerance that is not at least 0 and below 1.
    """
    if not 0.0 <= tolerance < 1.0:
        raise ValueError(f"tolerance is {tolerance}; it must be at least 0 and below 1, such as 0.05 for 5%")
    if interval is None:
        return Verdict.UNCLEAR
    low, high = interval
    if 1.0 - tolerance <= low and high <= 1.0 + tolerance:
        return Verdict.SAME
    if low > 1.0:
        return Verdict.FASTER
    return Verdict.SLOWER if high < 1.0 else Verdict.UNCLEAR


@dataclass(frozen=True)
class Result:
    """A record and the facts of its run."""

    record: Record
    info: RunInfo

    @property
    def case(self) -> Case:
        """The case that was measured."""
        return self.record.case

    @property
    def machine(self) -> Machine:
        """The machine it was measured on."""
        return self.info.machine

    @property
    def on_gpu(self) -> bool:
        """Whether the case ran on a GPU."""
        return self.case.device != "cpu"

    @property
    def interval(self) -> Interval | None:
        """The confidence interval of the time per unit, in seconds."""
        interval, units = self.record.timing.interval, self.record.units
        return None if interval is None else (interval[0] / units, interval[1] / units)


@dataclass(frozen=True)
class Comparison:
    """A comparison of two results. ``ratio`` is t_base / t_contender of the time per unit; FASTER means that the
    contender is faster.

    ``ratio`` is ``None`` if a side is missing, ``interval`` also if a side has no interval. ``notes`` describes how the
    two sides differ. If other work took the CPU while a side was measured, the comparison is ``contended``. ``reasons``
    say why a side cannot be trusted; if there are any, the verdict is UNCLEAR.
    """

    kind: ComparisonKind
    base: Result | None
    contender: Result | None
    ratio: float | None
    interval: Interval | None
    verdict: Verdict
    across_machines: bool
    notes: tuple[str, ...]
    contended: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def case(self) -> Case:
        """The contender's case, or the base's if the contender is missing."""
        side = self.contender or self.base
        assert side is not None, "a comparison has at least one side"
        return side.case

    @property
    def across_note(self) -> str:
        """The two machines if the sides are from different machines; otherwise empty."""
        if not (self.across_machines and self.base and self.contender):
            return ""
        return _across(self.base, self.contender)

    @property
    def not_judged(self) -> str:
        """Why there is no verdict, naming the sides that cannot be trusted; empty if both can."""
        return f"not judged: {'; '.join(self.reasons)}" if self.reasons else ""

    @property
    def why_unclear(self) -> str:
        """Why the verdict is UNCLEAR; empty for every other verdict."""
        if self.verdict is not Verdict.UNCLEAR or self.reasons:
            return self.not_judged
        return "the interval includes 1" if self.interval else "a side has no interval"

    @property
    def remarks(self) -> tuple[str, ...]:
        """All that a reader should know: why it is not judged, if so, and how the two sides differ."""
        return (*filter(None, (self.not_judged,)), *self.notes)


def _across(base: Result, contender: Result) -> str:
    return f"across machines: {base.machine.label} against {contender.machine.label}"


def _beside_other_work(result: Result) -> tuple[str, ...]:
    return disturbances(result.record)


def _any_doubt(result: Result) -> tuple[str, ...]:
    emulated = result.on_gpu and result.machine.emulated
    return (*doubts(result.record), *(("run on an emulated GPU",) if emulated else ()))


def compare_pair(
    kind: ComparisonKind,
    base: Result | None,
    contender: Result | None,
    doubts_of: Callable[[Result], tuple[str, ...]] = _beside_other_work,
) -> Comparison:
    """Compare two results. If one is missing, the verdict is MISSING; a measurement compared with itself is the SAME,
    whatever its interval and flags; otherwise, if ``doubts_of`` a side gives any, the verdict is UNCLEAR."""
    if base is None or contender is None:
        return Comparison(kind, base, contender, None, None, Verdict.MISSING, False, ())
    a, b = base.record, contender.record
    itself = is_same_measurement(base, contender)
    reasons = () if itself else tuple(_reasons(kind, doubts_of(base), doubts_of(contender)))
    interval = (1.0, 1.0) if itself else _interval_of_ratio(base, contender)
    across = base.machine.hardware != contender.machine.hardware
    return Comparison(
        kind=kind,
        base=base,
        contender=contender,
        ratio=a.per_unit / b.per_unit,
        interval=interval,
        verdict=Verdict.UNCLEAR if reasons else verdict(interval),
        across_machines=across,
        notes=("both sides are the same measurement",) if itself else tuple(_differences(base, contender, across)),
        contended=not itself and (a.contended or b.contended),
        reasons=reasons,
    )


def is_same_measurement(one: Result, other: Result) -> bool:
    """Whether two results are one measurement: the same samples and median of the same run, whatever was derived from
    them. Files of one run may differ in that, such as in the interval."""
    a, b = one.record, other.record
    return one.info.run_id == other.info.run_id and _measured(a) == _measured(b)


def _measured(record: Record) -> tuple[object, ...]:
    return record.case, record.units, record.timing.median, record.timing.samples


def _reasons(kind: ComparisonKind, of_base: tuple[str, ...], of_contender: tuple[str, ...]) -> Iterable[str]:
    """Each doubt once, with the sides that it is about."""
    sides = tuple(zip(SIDES[kind], (of_base, of_contender), strict=True))
    for doubt in dict.fromkeys((*of_base, *of_contender)):
        yield f"{' and '.join(name for name, of_side in sides if doubt in of_side)} {doubt}"


def _interval_of_ratio(base: Result, contender: Result) -> Interval | None:
    a, b = base.record, contender.record
    if not (base.interval and contender.interval and a.timing.confidence == b.timing.confidence):
        return None
    return ratio_interval(a.per_unit, base.interval, b.per_unit, contender.interval)


def _differences(base: Result, contender: Result, across: bool) -> Iterable[str]:
    a, b = base.record, contender.record
    if across:
        yield _across(base, contender)
    if contender.on_gpu and not base.on_gpu:
        if contender.case.dtype != base.case.dtype:
            yield f"{contender.case.dtype} on the GPU against {base.case.dtype} on the CPU"
        if contender.case.batch_size == base.case.batch_size and contender.case.variant != base.case.variant:
            yield f"{contender.case.variant} on the GPU against {base.case.variant} on the CPU"
    if base.machine.torch != contender.machine.torch:
        yield f"torch {base.machine.torch} against {contender.machine.torch}"
    if a.data != b.data:
        yield f"input data differ: {a.data} against {b.data}"
    if a.case.batch_size == b.case.batch_size and (a.units, a.flops) != (b.units, b.flops):
        yield "the work of a call differs"
    if a.timing.confidence != b.timing.confidence:
        yield f"no interval: confidence {a.timing.confidence:g} against {b.timing.confidence:g}"


def compare_runs(base: Run, head: Run) -> tuple[Comparison, ...]:
    """Compare every case of two runs: t_base / t_head, FASTER if head is faster, MISSING if only one run has the case.

    A figure that cannot be trusted (``core/trust.py``, or on an emulated GPU) makes its case UNCLEAR. The comparison is
    descriptive, see ``DESCRIPTIVE``.
    """
    before, after = ({r.case: Result(r, run.info) for r in run.records} for run in (base, head))
    cases = dict.fromkeys([*before, *after])
    return tuple(compare_pair("descriptive", before.get(case), after.get(case), _any_doubt) for case in cases)
