"""The verdicts of a gate."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.evidence import Interval, interval, log_evidence
from bench_core.core.pairs import Figures, Pair, Trouble

QUANTILE = 0.1
"""A process's time is this quantile of its blocks. Other work only ever adds time, and small steps on several threads
have a fast and a slow mode; the low quantile is the same in both (docs/ci.md has the evidence)."""
ALARMS = 0.01
"""The probability of any false claim in a gate of identical code, at most."""
TIME_SHARE = 0.4
"""The share of it for "slower", and as much for "faster"; the rest is for memory."""
SAME = 0.05
"""The probability, at most, that a case is called SAME though it changed by as much as matters, in each direction."""
MEMORY_FLOOR = 8 * 2**20
"""Bytes added to both sides' memory, so that a small absolute difference is no large relative one."""


@dataclass(frozen=True)
class Limits:
    """Relative changes of a case: beyond ``margin`` it is SLOWER or FASTER; surely below ``matters`` it is SAME.
    ``memory`` is the margin of its peak memory."""

    margin: float = 0.01
    matters: float = 0.03
    memory: float = 0.10


@dataclass(frozen=True)
class Rules:
    """The limits of each case: those of the first pattern that its name or id matches, else the default."""

    default: Limits = Limits()
    cases: Mapping[str, Limits] = field(default_factory=dict)

    def of(self, *names: str) -> Limits:
        """The limits of the case with these names."""
        for pattern, limits in self.cases.items():
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                return limits
        return self.default


@dataclass(frozen=True)
class Change:
    """How a figure changed: ``ratio`` is head / base, with its interval at all times together. ``base`` and ``head``
    are medians over the pairs, in seconds per call or in bytes. ``progress`` is the share of the evidence for the
    nearest verdict that there is so far."""

    verdict: Verdict
    ratio: float
    interval: Interval
    base: float
    head: float
    margin: float
    progress: float

    @property
    def visible(self) -> float:
        """The smallest relative change that could not have gone unnoticed; infinite after too few pairs."""
        return max(abs(end - 1.0) for end in self.interval)


@dataclass(frozen=True)
class CaseVerdict:
    """The verdict on a case.

    ``time`` is ``None`` if it was not measured on both sides, for this ``trouble`` or for lack of time; ``memory`` also
    where it is not counted.
    """

    id: str
    name: str
    pairs: int
    time: Change | None
    memory: Change | None
    trouble: Trouble | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict on its time; SLOWER too if it surely needs more memory."""
        if self.trouble or self.time is None:
            return Verdict.MISSING
        if self.memory and self.memory.verdict is Verdict.SLOWER:
            return Verdict.SLOWER
        return self.time.verdict


def judge(
    names: Mapping[str, str], pairs: Mapping[str, Sequence[Pair]], troubles: Mapping[str, Trouble], rules: Rules
) -> tuple[CaseVerdict, ...]:
    """The verdicts on all cases, by their ids, from the pairs so far. May be asked after every pair."""
    limits = {case: rules.of(name, case) for case, name in names.items()}
    able = [case for case in names if case not in troubles]
    times = _changes(
        {case: [(_time(p.base), _time(p.head)) for p in pairs[case]] for case in able},
        {case: (limits[case].margin, limits[case].matters) for case in able},
        len(names),
        ALARMS * TIME_SHARE,
    )
    counted = [
        case for case in able if all(p.base.memory is not None and p.head.memory is not None for p in pairs[case])
    ]
    memory = _changes(
        {case: [(_memory(p.base), _memory(p.head)) for p in pairs[case]] for case in counted},
        {case: (limits[case].memory, 2.0 * limits[case].memory) for case in counted},
        len(names),
        ALARMS * (0.5 - TIME_SHARE),
    )
    return tuple(
        CaseVerdict(case, names[case], len(pairs[case]), times.get(case), memory.get(case), troubles.get(case))
        for case in names
    )


def decided(verdicts: Sequence[CaseVerdict]) -> set[str]:
    """The cases that further pairs would not change."""
    return {case.id for case in verdicts if case.verdict in (Verdict.SLOWER, Verdict.FASTER, Verdict.SAME)}


def _time(figures: Figures) -> float:
    return float(np.quantile(figures.times, QUANTILE))


def _memory(figures: Figures) -> float:
    assert figures.memory is not None
    return float(figures.memory + MEMORY_FLOOR)


def _changes(
    figures: Mapping[str, Sequence[tuple[float, float]]],
    limits: Mapping[str, tuple[float, float]],
    count: int,
    level: float,
) -> dict[str, Change]:
    """How the figures (base, head) of each case changed.

    ``limits`` are its margin and what matters. In each direction, a false claim on any of ``count`` cases has a
    probability of at most ``level``.
    """
    logs = {case: [math.log(head / base) for base, head in values] for case, values in figures.items() if values}
    claims = {
        Verdict.SLOWER: {case: log_evidence(x, math.log1p(limits[case][0])) for case, x in logs.items()},
        Verdict.FASTER: {case: log_evidence(np.negative(x), math.log1p(limits[case][0])) for case, x in logs.items()},
    }
    clear = {case: word for word, evidence in claims.items() for case in _holm(evidence, count, level)}
    wanted = math.log(count / level)
    changes = {}
    for case, x in logs.items():
        base, head = np.median(np.array(figures[case]), axis=0)
        low, high = interval(x)
        same = _closeness(x, limits[case][1])
        changes[case] = Change(
            verdict=clear.get(case) or (Verdict.SAME if same >= 1.0 else Verdict.UNCLEAR),
            ratio=math.exp(float(np.median(x))),
            interval=(math.exp(low), math.exp(high)),
            base=float(base),
            head=float(head),
            margin=limits[case][0],
            progress=max(same, *(evidence[case] / wanted for evidence in claims.values())),
        )
    return changes


def _closeness(x: Sequence[float], matters: float) -> float:
    """The evidence that the values are within what matters, on both sides, as a share of what is wanted."""
    end, wanted = math.log1p(matters), math.log(1.0 / SAME)
    return min(log_evidence(x, -end), log_evidence(np.negative(x), -end)) / wanted


def _holm(evidence: Mapping[str, float], count: int, level: float) -> list[str]:
    """The cases whose evidence suffices, so that any of ``count`` true hypotheses is rejected with a probability of at
    most ``level`` (Holm's step-down rule, on evidence in place of p-values)."""
    rejected: list[str] = []
    for case in sorted(evidence, key=lambda case: -evidence[case]):
        if evidence[case] < math.log((count - len(rejected)) / level):
            break
        rejected.append(case)
    return rejected
