"""What is said beside figures in doubt: the mark of those measured beside other work, and what was not checked."""

from __future__ import annotations

from collections.abc import Iterable

from bench_core.analysis.comparison import Comparison, Result
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.results import Parity

MARK = "*"
FOOTNOTE = f"{MARK} {BESIDE_OTHER_WORK.capitalize()}, so no verdict rests on it."

MEANINGLESS = 0.5
"""A relative tolerance above which a check says nothing."""
LEFT_OUT = f"Cases {BESIDE_OTHER_WORK} count only where there are no others."


def marked(words: str, contended: bool) -> str:
    """Words with the mark if they are about a contended figure."""
    return f"{words} {MARK}" if contended else words


def footnote(contended: Iterable[bool]) -> tuple[str, ...]:
    """The footnote if anything is contended."""
    return (FOOTNOTE,) if any(contended) else ()


def of_results(results: Iterable[Result]) -> tuple[str, ...]:
    """The footnote if one of the results is marked."""
    return footnote(result.record.contended for result in results)


def of_sides(comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """The footnote if a side of one of the comparisons is marked."""
    return of_results(side for c in comparisons for side in (c.base, c.contender) if side)


def of_best(results: Iterable[Result]) -> tuple[str, ...]:
    """How the best of the results was chosen, if one of them is contended."""
    return (LEFT_OUT,) if of_results(results) else ()


def unchecked(checks: Iterable[Parity | None]) -> str:
    """The quantities of which the checks against float64 say nothing in some case."""
    known = [check for check in checks if check]
    loose = [check.quantity for check in known if check.tolerance > MEANINGLESS]
    return ", ".join(dict.fromkeys([name for check in known for name in check.inconclusive] + loose))
