"""The result of a gate for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import CaseVerdict
from bench_core.core import text
from bench_core.report.gate import words

INDENT = " " * 9


def as_text(result: GateResult, width: int = 80) -> str:
    """Two or three lines for each case, then the counts; lines are broken at this width."""
    lines = [f"base: {result.base}", f"head: {result.head}", f"on:   {result.machine}", ""]
    for case in result.ordered:
        lines += _case(case, width)
    last = f"{words.summary(result)} ({words.effort(result)})"
    lines += ["", *textwrap.wrap(words.EXPLAINED, width), "", *textwrap.wrap(last, width)]
    return "\n".join(lines) + "\n"


def _case(case: CaseVerdict, width: int) -> Iterator[str]:
    yield f"{case.verdict:<8s} {case.name}"
    if case.time:
        pairs = text.counted(case.pairs, "pair", "pairs")
        figures = f"{text.change(case.time.ratio):<7s} {words.interval(case.time)}   {words.times(case.time)}   {pairs}"
        yield f"{INDENT}{figures}"
    if remark := words.remark(case):
        yield from textwrap.wrap(remark, width, initial_indent=INDENT, subsequent_indent=INDENT)
