"""The result of a gate as annotations of a GitHub workflow: an error for each slowdown, a warning for each gap."""

from __future__ import annotations

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.result import GateResult
from bench_core.core import text
from bench_core.report.gate import words

LEVELS = {Verdict.SLOWER: "error", Verdict.MISSING: "warning", Verdict.UNCLEAR: "notice", Verdict.FASTER: "notice"}


def as_annotations(result: GateResult) -> str:
    """A line for each case that is not the SAME, with the file of its test where its id names one."""
    lines = []
    for case in result.ordered:
        if case.verdict not in LEVELS:
            continue
        figures = f"{text.change(case.time.ratio)} ({words.interval(case.time)})" if case.time else ""
        message = ". ".join(filter(None, (figures, words.remark(case))))
        where = _property(case.id.partition("::")[0])
        title = _property(f"{case.verdict}: {case.name}")
        lines.append(f"::{LEVELS[case.verdict]} file={where},title={title}::{_data(message)}\n")
    return "".join(lines)


def _data(words_: str) -> str:
    return words_.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words_: str) -> str:
    return _data(words_).replace(":", "%3A").replace(",", "%2C")
