"""The history for a terminal: what was read, the newest regressions, improvements in brief."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from bench_core.analysis.history.steps import Findings, Step
from bench_core.core import text
from bench_core.report.history import words
from bench_core.storage.values import SeriesId

MAX_REGRESSIONS, MAX_IMPROVEMENTS, MAX_NOTES = 6, 10, 5
INDENT = " " * 8


def as_text(findings: Findings, width: int = 80) -> str:
    """All blocks, in lines of this width. Of many steps the first ones are shown, and the others counted."""
    differences = words.differences(of.series.id for of in findings.series)
    read = (words.what_was_read(findings), *words.left_out(findings))
    blocks = (
        [line for fact in read for line in _wrapped(fact, width)],
        list(_notes(findings.collected.notes, width)),
        list(_regressions(findings.regressions, differences, width)),
        list(_improvements(findings.improvements, differences, width)),
    )
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _notes(notes: Sequence[str], width: int) -> Iterator[str]:
    for note in notes[:MAX_NOTES]:
        yield from _wrapped(f"Skipped: {note}", width)
    yield from _more(len(notes) - MAX_NOTES, "skipped")


def _regressions(steps: Sequence[Step], differences: Mapping[SeriesId, str], width: int) -> Iterator[str]:
    if not steps:
        yield "No regressions."
        return
    yield f"{text.counted(len(steps), 'regression', 'regressions')}{', the newest first' if len(steps) > 1 else ''}:"
    for step in steps[:MAX_REGRESSIONS]:
        yield from _regression(step, differences[step.series.id], width)
    yield from _more(len(steps) - MAX_REGRESSIONS, "regressions")


def _regression(step: Step, difference: str, width: int) -> Iterator[str]:
    head = f"{text.change(step.point.ratio):<7s} {words.title(step.series.id)}"
    yield from _wrapped(head, width)
    confidence = f"confidence {text.share(step.point.confidence)}"
    facts = (
        difference,
        f"{words.interval(step)}, {words.levels(step)}, {confidence}",
        f"since {words.time(step.first)}, {words.commit(step.first)}; before: {words.commit(step.previous)}",
        words.status(step),
    )
    for fact in facts:
        yield from _wrapped(fact, width, INDENT)


def _improvements(steps: Sequence[Step], differences: Mapping[SeriesId, str], width: int) -> Iterator[str]:
    if not steps:
        return
    yield f"{text.counted(len(steps), 'improvement', 'improvements')}{', the newest first' if len(steps) > 1 else ''}:"
    for step in steps[:MAX_IMPROVEMENTS]:
        since = f"since {words.time(step.first)}, {words.commit(step.first)}"
        facts = (words.title(step.series.id), differences[step.series.id], since, words.status(step))
        yield from _wrapped(f"{text.change(step.point.ratio):<7s} {'; '.join(fact for fact in facts if fact)}", width)
    yield from _more(len(steps) - MAX_IMPROVEMENTS, "improvements")


def _more(number: int, of_what: str) -> Iterator[str]:
    if number > 0:
        yield f"... and {number} more {of_what}"


def _wrapped(line: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text.printable(line), width, initial_indent=indent, subsequent_indent=INDENT,
        break_on_hyphens=False, break_long_words=False, drop_whitespace=True,
    )  # fmt: skip
