"""The comparison of two runs as text for a terminal: one line for each case where there is room, else two."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable

from bench_core.analysis.comparison import DESCRIPTIVE, Comparison
from bench_core.analysis.run_comparison import RunComparison
from bench_core.core import text
from bench_core.report.comparing import named
from bench_core.report.comparing.named import NamedComparison

GAP = "  "
INDENT = " " * 9


def as_text(c: NamedComparison, width: int | None = None) -> str:
    """The comparison in lines of at most ``width`` columns (default: those of the terminal), names permitting."""
    width = width or shutil.get_terminal_size().columns
    heading = f"{named.RATIO} [{named.confidence(c.runs)}]"
    closing = (named.summary(c.runs), named.above_limit(c.runs, text.printable), DESCRIPTIVE)
    blocks = (
        _files(c, width) if c.base.how or c.head.how else [],
        [_wrapped(heading, width)],
        _rows(c.runs, width),
        [_wrapped(line, width) for line in named.only_in(c.runs, text.printable)],
        [_wrapped(line, width) for line in named.notes(c, text.printable)],
        [_wrapped(line, width) for line in closing if line],
    )
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _files(c: NamedComparison, width: int) -> list[str]:
    """One line, or two if it were too wide. Paths are not broken, so that they can be copied."""
    base, head = named.files(c, text.printable)
    line = f"{base} {head}"
    return [line] if len(line) <= width else [base, f"{head:>{len(head) + len('Comparing') - len('with')}}"]


def _rows(c: RunComparison, width: int) -> list[str]:
    """A table, or two lines for each case where a table would be too wide."""
    cells = [_cells(row) for row in c.rows]
    heads = ("Verdict", "Case", "Base", "Head", "Ratio", named.confidence(c))
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    if sum(widths) + len(GAP) * (len(widths) - 1) > width:
        return [line for row in c.rows for line in _two_lines(row, width)]
    lines = [_aligned(heads, widths)]
    for row, its_cells in zip(c.rows, cells, strict=True):
        lines += [_aligned(its_cells, widths), *_reason(row, width)]
    return lines


def _cells(row: Comparison) -> tuple[str, ...]:
    return (row.verdict, text.printable(row.case.id), *named.times(row), named.ratio(row), named.interval(row))


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, figures to the right."""
    sides = ("<", "<", ">", ">", ">", "<")
    line = GAP.join(f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True))
    return line.rstrip()


def _two_lines(row: Comparison, width: int) -> Iterable[str]:
    verdict, case, base, head, ratio, interval = _cells(row)
    yield f"{verdict:<8} {case}"
    yield f"{INDENT}{base} -> {head}   ratio {ratio} [{interval}]"
    yield from _reason(row, width)


def _reason(row: Comparison, width: int) -> Iterable[str]:
    """Why a figure is not judged. That an interval includes 1 is seen from its ends."""
    if row.reasons or not row.interval:
        yield textwrap.fill(
            text.printable(row.why_unclear),
            width,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
            break_on_hyphens=False,
        )


def _wrapped(words: str, width: int) -> str:
    return textwrap.fill(words, width, break_on_hyphens=False, break_long_words=False)
