"""What is said while a regression is confirmed by a gate, and while the commit is searched that caused it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.verdicts import CaseVerdict
from bench_core.analysis.history.search import Search
from bench_core.analysis.history.steps import Step
from bench_core.core import text
from bench_core.report.gate import words as of_gate
from bench_core.report.history import words
from bench_core.storage.folder import Commit
from bench_core.storage.naming import SHOWN
from bench_core.storage.values import SeriesId

MAX_COMMITS = 10
INDENT = " " * 9


def doubts(step: Step) -> Iterator[str]:
    """Why the commits around a step may not be what was measured."""
    for origin in (step.previous, step.first):
        if origin.dirty:
            yield f"files of {words.commit(origin)} had been changed when it was measured; here the commit is measured"


def elsewhere(series: SeriesId, machine: str, software: str) -> str:
    """That a series is of another machine or of other software than this; empty if it is not, or that is not known."""
    pairs = (("machine", series.machine, machine), ("software", series.software, software))
    others = [f"{name} was {theirs}; here: {ours}" for name, theirs, ours in pairs if theirs and theirs != ours]
    return text.printable(f"measured elsewhere: {'; '.join(others)}") if others else ""


def conclusion(step: Step, case: CaseVerdict, width: int = 80) -> str:
    """What a gate of the commits around a step says of it; a sentence, in lines of this width."""
    return textwrap.fill(_conclusion(step, case), width, break_on_hyphens=False, break_long_words=False)


def _conclusion(step: Step, case: CaseVerdict) -> str:
    name, since, before = words.title(step.series.id), words.commit(step.first), words.commit(step.previous)
    if case.verdict is Verdict.UNCLEAR:
        return f"Unclear: the time was spent before {name} was decided; give more with --budget."
    if case.time is None or case.verdict is Verdict.MISSING:
        return f"Unclear: {name} could not be measured at both commits."
    history = f"the history says {text.change(step.point.ratio)}"
    measured = f"{text.change(case.time.ratio)} ({of_gate.interval(case.time)}); {history}"
    if case.verdict is Verdict.SLOWER:
        return f"Confirmed on this machine: {name} is slower in {since} than in {before}: {measured}."
    return f"Not confirmed on this machine ({case.verdict}): {name} from {before} to {since}: {measured}."


def searching(search: Search, seconds: float) -> str:
    """How many commits there are to search."""
    commits = text.counted(len(search.commits), "commit", "commits")
    gates = text.counted(search.most_gates, "gate", "gates")
    return f"Searching {commits}: at most {gates} if all can be measured, {text.duration(seconds)} left"


def tried(commit: Commit, case: CaseVerdict, seconds: float, width: int = 80) -> str:
    """The line of a gate of the search, and why there is no verdict, if there is none. ``seconds`` are left."""
    ratio = text.change(case.time.ratio) if case.time else text.NONE
    left = f"{text.duration(max(0.0, seconds))} left"
    line = f"{case.verdict:<8s} {commit.hexsha[:SHOWN]}  {ratio:<7s} {left:<16s} {_subject(commit)}"
    lines = [line if len(line) <= width else f"{line[: width - 3]}..."]
    if remark := of_gate.remark(case):
        lines += _wrapped(remark, width)
    return "\n".join(lines)


def found(search: Search, commits: Sequence[Commit], interrupted: bool, width: int = 80) -> str:
    """The commit that was found, or the commits that are left and why they are."""
    left = [commit for commit in commits if commit.hexsha in search.suspects]
    if len(left) == 1:
        (commit,) = left
        return f"First slower commit: {commit.hexsha}\n{INDENT}{commit.written}\n{INDENT}{_subject(commit)}"
    lines = [f"The cause is in one of {len(left)} commits; {_why(search, interrupted)}:"]
    for commit in left[:MAX_COMMITS]:
        lines += _wrapped(f"{commit.hexsha[:SHOWN]}  {commit.written}  {_subject(commit)}", width)
    if len(left) > MAX_COMMITS:
        lines.append(f"{INDENT}... and {len(left) - MAX_COMMITS} more, up to {left[-1].hexsha[:SHOWN]}")
    return "\n".join(lines)


def _why(search: Search, interrupted: bool) -> str:
    """Why the search ended before one commit was left."""
    if interrupted:
        return "the search was interrupted"
    if search.next() is None and Verdict.UNCLEAR not in search.verdicts.values():
        return "those between could not be measured"
    return "the time was spent (--budget)"


def _subject(commit: Commit) -> str:
    return text.printable(commit.subject)


def _wrapped(words: str, width: int) -> list[str]:
    return textwrap.wrap(
        text.printable(words), width, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
    )
