"""Which regression of a history a gate is to confirm, and with which limits."""

from __future__ import annotations

import math

from bench_core.analysis.gate.verdicts import Limits, Rules
from bench_core.analysis.history.steps import Findings, Step
from bench_core.core import text
from bench_core.core.errors import OptionError
from bench_core.storage.values import TIME

FROM, BELOW = 0.25, 0.75
"""Shares of a known change: SLOWER is beyond the first, SAME below the second. A commit without the
change is as far from the second as one with all of it is from the first, so both are decided after about as many pairs.
And a change that is smaller than its estimate, by up to a quarter, is not called SAME too often."""


def regression(findings: Findings, case: str | None = None) -> Step:
    """The newest regression of a time per call that has not recovered, of any case or of one.

    Raises ``OptionError`` if there is none.
    """
    if case is not None and not any(of.series.id.case == case for of in findings.series):
        raise OptionError(f"--case {case}: no such case in these runs; history.csv has all names")
    steps = [
        step for step in findings.regressions if step.series.id.metric == TIME and case in (None, step.series.id.case)
    ]
    left = [step for step in steps if not step.undone]
    if not left:
        of_case = f" of {case}" if case else ""
        recovered = f" ({text.counted(len(steps), 'has', 'have')} recovered)" if steps else ""
        raise OptionError(f"no regression of the time per call{of_case} to confirm{recovered}")
    return left[0]


def rules_to_confirm(rules: Rules, ratio: float) -> Rules:
    """The rules of a project, for a step of this ratio: the limits are at most its shares, as a step of 2% is less than
    what matters by default. Memory is not judged."""
    shares = _shares(ratio)

    def limits(own: Limits) -> Limits:
        return Limits(min(own.margin, shares.margin), min(own.matters, shares.matters), shares.memory)

    return Rules(limits(rules.default), {name: limits(own) for name, own in rules.cases.items()})


def rules_to_search(ratio: float) -> Rules:
    """The rules by which commits with a confirmed change of this ratio are told from those without it."""
    return Rules(_shares(ratio))


def _shares(ratio: float) -> Limits:
    return Limits(FROM * (ratio - 1.0), BELOW * (ratio - 1.0), memory=math.inf)
