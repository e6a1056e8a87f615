"""How many pairs a gate needs until it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.verdicts import CaseVerdict

FEWEST = 6
"""Pairs that no case does without: as many agreeing signs are needed for SAME."""


def pairs_left(verdicts: Sequence[CaseVerdict]) -> float:
    """How many further pairs the slowest of the undecided cases needs if its evidence grows as it did so far; infinite
    if it does not grow."""
    undecided = [case for case in verdicts if case.time and not case.trouble and case.verdict is Verdict.UNCLEAR]
    return max((_needed(case) for case in undecided), default=0.0 if verdicts else FEWEST)


def _needed(case: CaseVerdict) -> float:
    assert case.time is not None
    if case.time.progress <= 0.0:
        return math.inf
    return max(FEWEST - case.pairs, case.pairs * (1.0 / case.time.progress - 1.0), 1.0)
