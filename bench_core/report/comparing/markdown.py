"""The comparison of two runs as Markdown for a pull request's comment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench_core.analysis.comparison import DESCRIPTIVE, Comparison, Verdict
from bench_core.analysis.run_comparison import ORDER, RunComparison
from bench_core.core import text
from bench_core.core.markdown import LIMIT, code, fitting
from bench_core.report.comparing import named
from bench_core.report.comparing.named import NamedComparison


def as_markdown(c: NamedComparison, limit: int = LIMIT) -> str:
    """The comparison in at most ``limit`` characters: rows that find no room are left out, the last ones first, and
    counted. Cases that are the SAME are folded."""
    rows = c.runs.rows
    return fitting(lambda kept: _page(c, rows[:kept]), len(rows), limit)


def _page(c: NamedComparison, rows: Sequence[Comparison]) -> str:
    """The page with these rows, the first of all."""
    same = [row for row in rows if row.verdict is Verdict.SAME]
    others = rows[: len(rows) - len(same)]
    blocks = [
        [f"### bench-core: {named.summary(c.runs)}"],
        list(filter(None, [named.above_limit(c.runs, code, named.MAX_LINES)])),
        [" ".join(named.files(c, code))],
        _table(c.runs, others),
        ["<details><summary>The cases that are the SAME</summary>"] if same else [],
        _table(c.runs, same),
        ["</details>"] if same else [],
        _left_out(c.runs.rows[len(rows) :]),
        [f"- {line}" for line in (*named.only_in(c.runs, code), *named.notes(c, code))],
        [f"{named.RATIO} {DESCRIPTIVE}"],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _table(c: RunComparison, rows: Sequence[Comparison]) -> list[str]:
    if not rows:
        return []
    head = f"| Verdict | Case | Base | Head | Ratio | {named.confidence(c)} | Remark |"
    return [head, "| --- | --- | ---: | ---: | ---: | --- | --- |", *(_line(c, row) for row in rows)]


def _line(c: RunComparison, row: Comparison) -> str:
    remarks = [f"above {named.percentage(c.limit)}"] if c.limit is not None and c.is_too_slow(row) else []
    remarks += [code(row.why_unclear)] if row.why_unclear else []
    cells = (str(row.verdict), code(row.case.id), *named.times(row), named.ratio(row), named.interval(row))
    return f"| {' | '.join((*cells, ', '.join(remarks)))} |"


def _left_out(rows: Sequence[Comparison]) -> list[str]:
    if not rows:
        return []
    counts = Counter(row.verdict for row in rows)
    kinds = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    number = text.counted(len(rows), "row is", "rows are")
    return [f"{number} left out ({kinds}): a comment on GitHub has at most {LIMIT:,} characters. `--json` has all."]
