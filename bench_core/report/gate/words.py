"""What all forms of a gate's result say alike."""

from __future__ import annotations

import math

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import CaseVerdict, Change
from bench_core.core import text
from bench_core.core.pairs import Ending

EXPLAINED = (
    "Change: time in head / time in base - 1, with an interval that holds however often one looks. SLOWER and FASTER: "
    "it is beyond the margin; with identical code, the probability of any such claim is at most 1%. SAME: it is less "
    "than what matters."
)


def summary(result: GateResult) -> str:
    """How often there is each verdict, such as ``1 SLOWER, 8 SAME``."""
    return ", ".join(f"{count} {verdict}" for verdict, count in result.counts.items()) or "no case"


def effort(result: GateResult) -> str:
    """What the result rests on: pairs of processes and time."""
    ending = ", interrupted" if result.interrupted else ""
    return f"{text.counted(result.pairs, 'pair', 'pairs')} of processes, {text.duration(result.seconds)}{ending}"


def interval(figure: Change) -> str:
    """The interval of a change, such as ``+3.9% to +6.4%``; a question mark is an open end."""
    return f"{text.change(figure.interval[0])} to {text.change(figure.interval[1])}"


def times(figure: Change) -> str:
    """The times of a call in base and head."""
    return f"{text.seconds(figure.base)} -> {text.seconds(figure.head)}"


def memory(case: CaseVerdict) -> str:
    """How the peak memory changed, if that is shown; else empty."""
    figure = case.memory
    if figure is None or figure.verdict not in (Verdict.SLOWER, Verdict.FASTER):
        return ""
    return f"peak memory {text.change(figure.ratio)} ({interval(figure)}), now {text.memory(round(figure.head))}"


def remark(case: CaseVerdict) -> str:
    """Why there is no verdict, or what else is to be known; may be empty."""
    if case.trouble:
        return f"{case.trouble.side} {_outcome(case)}: {case.trouble.reason}"
    if case.time is None:
        return "no time was left for it (--budget)"
    if case.verdict is Verdict.UNCLEAR:
        visible = case.time.visible
        unseen = f"of up to {100 * visible:.1f}%" if math.isfinite(visible) else "of any size"
        return f"a change {unseen} could have gone unnoticed"
    return memory(case)


def _outcome(case: CaseVerdict) -> str:
    assert case.trouble is not None
    return "is missing it" if case.trouble.outcome is Ending.MISSING else case.trouble.outcome
