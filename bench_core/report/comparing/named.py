"""A comparison with what the user called its runs, and what text and Markdown both say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench_core.analysis.comparison import Comparison
from bench_core.analysis.run_comparison import RunComparison
from bench_core.core import text
from bench_core.core.case import Case
from bench_core.core.records import NotRun
from bench_core.storage.naming import Named

MAX_NAMES = 3
MAX_LINES = 10
RATIO = "Ratio: time in base / time in head; above 1 head is FASTER."

Quote = Callable[[str], str]
"""Marks words that come from a stored run, in which anything may be."""


@dataclass(frozen=True)
class NamedComparison:
    """Two runs compared, with the names by which they were asked for."""

    runs: RunComparison
    base: Named
    head: Named


def summary(c: RunComparison) -> str:
    """How often there is each verdict, such as ``1 SLOWER, 3 SAME``."""
    return ", ".join(f"{count} {verdict}" for verdict, count in c.counts.items() if count)


def files(c: NamedComparison, quote: Quote) -> tuple[str, str]:
    """Which files are compared, and how they were found."""
    return f"Comparing {_file(c.base, quote)}", f"with {_file(c.head, quote)}"


def above_limit(c: RunComparison, quote: Quote, most: int | None = None) -> str:
    """The cases that are slower by more than the limit, of which ``most`` are named; empty without a limit."""
    if c.limit is None:
        return ""
    cases = [row.case for row in c.too_slow]
    found = f"{text.counted(len(cases), 'case', 'cases')} ({_names(cases, quote, most)})" if cases else "no case"
    return f"More than {percentage(c.limit)} slower by the entire interval: {found}"


def percentage(limit: float) -> str:
    """A limit as the user writes it, such as ``2.5%``."""
    return f"{100 * limit:.6g}%"


def only_in(c: RunComparison, quote: Quote) -> Iterable[str]:
    """What only one run has: one line for each run."""
    for side, cases in (("base", c.only_base), ("head", c.only_head)):
        if cases:
            yield f"Only in {side}: {text.counted(len(cases), 'case', 'cases')} ({_names(cases, quote)})"


def notes(c: NamedComparison, quote: Quote) -> list[str]:
    """What else a reader should know: how the runs differ, and what was skipped or has no figure."""
    return [
        *_differences(c.runs, quote),
        *_cast_otherwise(c.runs, quote),
        *_partial(c.runs),
        *_skipped(c, quote),
        *_without_figure(c.runs, quote),
    ]


def interval(row: Comparison) -> str:
    """The ends of the ratio's interval."""
    return f"{_ratio(row.interval[0])} to {_ratio(row.interval[1])}" if row.interval else text.NONE


def ratio(row: Comparison) -> str:
    """The ratio."""
    return text.NONE if row.ratio is None else _ratio(row.ratio)


def times(row: Comparison) -> tuple[str, str]:
    """The times of a call in base and in head."""
    base, head = (text.seconds(side.record.timing.median) if side else text.NONE for side in (row.base, row.contender))
    return base, head


def confidence(c: RunComparison) -> str:
    """What the intervals are called: ``95% CI``, or ``CI`` if they are not all of one confidence."""
    levels = {row.base.record.timing.confidence for row in c.rows if row.base and row.interval}
    return f"{text.share(levels.pop())} CI" if len(levels) == 1 else "CI"


def _ratio(value: float) -> str:
    """Three decimals, or as many as a small number needs."""
    return f"{value:.3f}" if value >= 0.1 else text.significant(value)


def _file(named: Named, quote: Quote) -> str:
    return quote(str(named.path)) + (f" ({quote(f'{named.name}: {named.how}')})" if named.how else "")


def _names(cases: Sequence[Case], quote: Quote, most: int | None = MAX_NAMES) -> str:
    names = [quote(case.id) for case in cases[:most]]
    return ", ".join([*names, *(["..."] if len(names) < len(cases) else [])])


def _differences(c: RunComparison, quote: Quote) -> Iterable[str]:
    lines = [f"Note: {quote(note)}{_where(cases, c, quote)}" for note, cases in c.notes.items()]
    return _first(lines, "notes")


def _where(cases: Sequence[Case], c: RunComparison, quote: Quote) -> str:
    """In which cases, unless it is all of them."""
    return "" if len(cases) == len(c.rows) else f" in {len(cases)} of {len(c.rows)} cases ({_names(cases, quote)})"


def _cast_otherwise(c: RunComparison, quote: Quote) -> Iterable[str]:
    """One line on what only one run has because it casts its numbers in each call."""
    if pairs := c.cast_otherwise:
        names = [quote(f"{base.id} with {head.id}") for base, head in pairs[:MAX_NAMES]]
        more = ["..."] if len(names) < len(pairs) else []
        yield (
            f"Note: not compared, since autocast casts numbers in each call and the other run has them stored in "
            f"16 bits: {', '.join([*names, *more])}"
        )


def _partial(c: RunComparison) -> Iterable[str]:
    for side, run in (("base", c.base), ("head", c.head)):
        if run.info.partial:
            yield f"Note: {side} is partial: it was stopped early"


def _skipped(c: NamedComparison, quote: Quote) -> Iterable[str]:
    reasons = (*c.base.notes, *c.head.notes, *c.runs.base.skipped, *c.runs.head.skipped)
    return _first([f"Skipped: {quote(reason)}" for reason in dict.fromkeys(reasons)], "skipped")


def _without_figure(c: RunComparison, quote: Quote) -> Iterable[str]:
    for side, entries in zip(("base", "head"), c.without_figure, strict=True):
        yield from _first([_reason(side, entry, quote) for entry in entries], f"without a figure in {side}")


def _reason(side: str, entry: NotRun, quote: Quote) -> str:
    return f"Without a figure in {side}: {quote(f'{entry.what}, {entry.outcome}: {entry.reason}')}"


def _first(lines: Sequence[str], of_what: str) -> Iterable[str]:
    """The first lines, and how many more there are."""
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield f"... and {len(lines) - MAX_LINES} more {of_what}"
