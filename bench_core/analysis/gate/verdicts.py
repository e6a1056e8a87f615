"""The verdicts of a gate."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.evidence import Interval, interval, log_evidence
from bench_core.analysis.gate.ratio import log_ratio
from bench_core.core.pairs import Figures, Pair, Trouble

ALARMS = 0.01
"""The probability of any false claim in a gate of identical code, at most."""
TIME_SHARE = 0.4
"""The share of it for "slower", and as much for "faster"; the rest is for memory."""
SAME = 0.05
"""The probability, at most, that a case is called SAME though it changed by as much as matters, in each direction."""
SUSPICION = 1.0
"""From this logarithm of the evidence that its memory grew, a case is measured further though its time is decided."""
MEMORY_FLOOR = 8 * 2**20
"""Bytes added to both sides' memory, so that a small absolute difference is no large relative one."""


@dataclass(frozen=True)
class Limits:
    """Relative changes of a case: once it is shown, one beyond ``margin`` is SLOWER or FASTER, and one below
    ``matters`` SAME. ``memory`` is the margin of its peak memory."""

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
        """The verdict on its time; SLOWER too if it is shown to need more memory."""
        if self.trouble or self.time is None:
            return Verdict.MISSING
        if self.memory and self.memory.verdict is Verdict.SLOWER:
            return Verdict.SLOWER
        return self.time.verdict


def judge(
    names: Mapping[str, str], pairs: Mapping[str, Sequence[Pair]], troubles: Mapping[str, Trouble], rules: Rules
) -> tuple[CaseVerdict, ...]:
    """The verdicts on all cases, by their ids, from the pairs so far. May be asked after every pair."""
    times, memory = _metrics(names, pairs, troubles, rules)
    return tuple(
        CaseVerdict(case, names[case], len(pairs[case]), times.change(case), memory.change(case), troubles.get(case))
        for case in names
    )


def decided(
    names: Mapping[str, str], pairs: Mapping[str, Sequence[Pair]], troubles: Mapping[str, Trouble], rules: Rules
) -> set[str]:
    """The cases that need no further pairs: those that are slower, and those whose time is decided and whose memory is
    not under suspicion."""
    times, memory = _metrics(names, pairs, troubles, rules)
    known = {case for case, call in times.calls.items() if call.verdict is not Verdict.UNCLEAR}
    suspect = {case for case, call in memory.calls.items() if call.suspect and call.verdict is Verdict.UNCLEAR}
    slower = {
        case for metric in (times, memory) for case, call in metric.calls.items() if call.verdict is Verdict.SLOWER
    }
    return (known - suspect) | slower


@dataclass(frozen=True)
class _Call:
    """What is said of a case, the share of the evidence for the nearest verdict that there is so far, and whether there
    is some evidence that the figure grew."""

    verdict: Verdict
    progress: float
    suspect: bool


@dataclass(frozen=True)
class _Metric:
    """One figure of all cases: its values in base and head of each pair, their log-ratios, and what is said of them."""

    values: Mapping[str, Sequence[tuple[float, float]]]
    margins: Mapping[str, float]
    logs: Mapping[str, Sequence[float]]
    calls: Mapping[str, _Call]

    def change(self, case: str) -> Change | None:
        """How the figure of a case changed; ``None`` without a value."""
        if case not in self.calls:
            return None
        logs, call = self.logs[case], self.calls[case]
        base, head = np.median(np.array(self.values[case]), axis=0)
        low, high = interval(logs, 1.0 - 2.0 * SAME)  # so that it lies within what matters where the case is the SAME
        return Change(
            verdict=call.verdict,
            ratio=math.exp(float(np.median(logs))),
            interval=(math.exp(low), math.exp(high)),
            base=float(base),
            head=float(head),
            margin=self.margins[case],
            progress=call.progress,
        )


def _metrics(
    names: Mapping[str, str], pairs: Mapping[str, Sequence[Pair]], troubles: Mapping[str, Trouble], rules: Rules
) -> tuple[_Metric, _Metric]:
    """The times and the peak memory of all cases that both sides can measure."""
    limits = {case: rules.of(name, case) for case, name in names.items() if case not in troubles}
    times = {case: [(_time(p.base), _time(p.head)) for p in pairs[case]] for case in limits if pairs[case]}
    ratios = {case: [log_ratio(pair) for pair in pairs[case]] for case in times}
    counted = [case for case in times if all(None not in (p.base.memory, p.head.memory) for p in pairs[case])]
    memory = {case: [(_memory(p.base), _memory(p.head)) for p in pairs[case]] for case in counted}
    growth = {case: [math.log(head / base) for base, head in values] for case, values in memory.items()}
    return (
        _metric(
            times,
            ratios,
            {case: (limit.margin, limit.matters) for case, limit in limits.items()},
            len(names),
            ALARMS * TIME_SHARE,
        ),
        _metric(
            memory,
            growth,
            {case: (limit.memory, 2.0 * limit.memory) for case, limit in limits.items()},
            len(names),
            ALARMS * (0.5 - TIME_SHARE),
        ),
    )


@lru_cache(maxsize=2**14)
def _time(figures: Figures) -> float:
    return float(np.median(figures.times))


def _memory(figures: Figures) -> float:
    assert figures.memory is not None
    return float(figures.memory + MEMORY_FLOOR)


def _metric(
    values: Mapping[str, Sequence[tuple[float, float]]],
    logs: Mapping[str, Sequence[float]],
    limits: Mapping[str, tuple[float, float]],
    count: int,
    level: float,
) -> _Metric:
    """A figure of which each case has values of base and head, and log-ratios; ``limits`` are its margin and what
    matters.

    In each direction, a false claim on any of ``count`` cases has a probability of at most ``level``.
    """
    claims = {
        Verdict.SLOWER: {case: log_evidence(x, math.log1p(limits[case][0])) for case, x in logs.items()},
        Verdict.FASTER: {case: log_evidence(np.negative(x), math.log1p(limits[case][0])) for case, x in logs.items()},
    }
    clear = {case: word for word, evidence in claims.items() for case in _holm(evidence, count, level)}
    wanted = math.log(count / level) if count else 1.0
    calls = {}
    for case, x in logs.items():
        same = _closeness(x, limits[case][1])
        progress = max(same, *(evidence[case] / wanted for evidence in claims.values()))
        verdict = clear.get(case) or (Verdict.SAME if same >= 1.0 else Verdict.UNCLEAR)
        calls[case] = _Call(verdict, progress, suspect=claims[Verdict.SLOWER][case] > SUSPICION)
    return _Metric(values, {case: limit[0] for case, limit in limits.items()}, logs, calls)


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
