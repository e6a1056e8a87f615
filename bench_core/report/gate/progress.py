"""The line of a gate after each pair of processes."""

from __future__ import annotations

from collections.abc import Sequence

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.forecast import pairs_left
from bench_core.analysis.gate.verdicts import CaseVerdict
from bench_core.core import text


def progress(cases: Sequence[CaseVerdict], pairs: int, seconds: float, budget: float) -> str:
    """How many cases are decided after so many pairs and seconds, and the time that is left."""
    done = [case for case in cases if case.trouble or case.verdict not in (Verdict.UNCLEAR, Verdict.MISSING)]
    line = f"pair {pairs}: {len(done)} of {text.counted(len(cases), 'case', 'cases')} decided"
    if len(done) == len(cases):
        return line
    left, most = pairs_left(cases) * seconds / pairs, max(0.0, budget - seconds)
    return f"{line}, {text.duration(seconds)} spent, about {text.duration(min(left, most))} left"
