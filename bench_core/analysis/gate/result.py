"""The result of a gate, as it is reported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.verdicts import CaseVerdict

ORDER = (Verdict.SLOWER, Verdict.UNCLEAR, Verdict.MISSING, Verdict.FASTER, Verdict.SAME)
"""The verdicts, the one to look at first comes first."""


@dataclass(frozen=True)
class GateResult:
    """The verdicts of a gate, and what it compared: titles of base and head, the machine, the number of pairs of
    processes, the seconds it took of its budget, and whether it was interrupted."""

    base: str
    head: str
    machine: str
    cases: tuple[CaseVerdict, ...]
    pairs: int
    seconds: float
    budget: float
    interrupted: bool = False

    @property
    def ordered(self) -> tuple[CaseVerdict, ...]:
        """The cases, the largest slowdowns first within each verdict."""
        return tuple(
            sorted(self.cases, key=lambda case: (ORDER.index(case.verdict), -(case.time.ratio if case.time else 0.0)))
        )

    @property
    def counts(self) -> dict[Verdict, int]:
        """How often there is each verdict."""
        counts = Counter(case.verdict for case in self.cases)
        return {verdict: counts[verdict] for verdict in ORDER if counts[verdict]}

    @property
    def exit_code(self) -> int:
        """1 if a case is SLOWER, else 3 if one is UNCLEAR or MISSING, else 0."""
        if Verdict.SLOWER in self.counts:
            return 1
        return 3 if {Verdict.UNCLEAR, Verdict.MISSING} & set(self.counts) else 0
