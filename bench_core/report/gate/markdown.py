"""The result of a gate as Markdown for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Sequence

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import CaseVerdict
from bench_core.core import text
from bench_core.core.markdown import LIMIT, code, fitting
from bench_core.report.gate import words

HEAD = (
    "| Verdict | Case | Change | Interval | Base -> head | Pairs | Remark |",
    "| --- | --- | ---: | --- | --- | ---: | --- |",
)


def as_markdown(result: GateResult, limit: int = LIMIT) -> str:
    """The result in at most ``limit`` characters: the last rows are left out if there are too many, and counted."""
    return fitting(lambda kept: _page(result, kept), len(result.cases), limit)


def _page(result: GateResult, kept: int) -> str:
    rows = result.ordered[:kept]
    same = [case for case in rows if case.verdict is Verdict.SAME]
    others = [case for case in rows if case.verdict is not Verdict.SAME]
    left = len(result.cases) - kept
    blocks = [
        [f"### bench-core gate: {words.summary(result)}"],
        [f"{code(result.head)} compared with {code(result.base)} on {code(result.machine)}: {words.effort(result)}."],
        _table(others),
        ["<details><summary>The cases that are the SAME</summary>"] if same else [],
        _table(same),
        ["</details>"] if same else [],
        [f"{text.counted(left, 'row is', 'rows are')} left out: a comment has at most {limit_words()}."]
        if left
        else [],
        [words.EXPLAINED],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def limit_words() -> str:
    """The limit in words."""
    return f"{LIMIT:,} characters"


def _table(cases: Sequence[CaseVerdict]) -> list[str]:
    return [*HEAD, *map(_row, cases)] if cases else []


def _row(case: CaseVerdict) -> str:
    time = case.time
    figures = (text.change(time.ratio), words.interval(time), words.times(time)) if time else (text.NONE,) * 3
    remark = words.remark(case)
    cells = (str(case.verdict), code(case.name), *figures, str(case.pairs), code(remark) if remark else "")
    return f"| {' | '.join(cells)} |"
