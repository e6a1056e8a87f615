"""The report: from stored runs to an offline HTML page, its short form in Markdown, plots and CSV files.

May import ``analysis``, ``storage`` and ``core``; never torch, and nothing that measures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench_core.core.errors import ReportError
from bench_core.core.markdown import LIMIT
from bench_core.core.records import Run
from bench_core.report.page.output import staged
from bench_core.report.prices import NO_PRICES, Prices

if TYPE_CHECKING:
    from bench_core.report.comparing.named import NamedComparison
    from bench_core.report.content import Content

__all__ = ["ReportError", "write", "write_side_by_side"]

FULL_PAGE = "\nThe full page is `index.html`, next to this file; `speedups.csv` has all figures.\n"


def write(
    runs: Sequence[Run],
    out: Path,
    *,
    emulated: bool = False,
    prices: Prices = NO_PRICES,
    reference: Iterable[Run] = (),
) -> Path:
    """Write ``index.html``, ``report.md``, ``speedups.csv``, ``cases.csv`` and ``plots/`` to a folder, and
    ``gpu_bounds.csv`` if there is a machine without a GPU.

    Returns the path of the page, a single file with all plots embedded. Other files in the folder stay. Raises
    ``ReportError`` (a ``ValueError``) without runs, if the folder cannot be written, and for runs on an emulated GPU,
    whose times mean nothing, unless ``emulated`` asks for them. ``prices`` are those of an hour of each device.
    ``reference`` has runs of other machines: if none of ``runs`` has results of a GPU, those of theirs are the other
    side.
    """
    if not runs:
        raise ReportError("there is no run to report; store one with `pytest benchmarks --benchmark-autosave`")
    if not emulated and (refused := [run for run in runs if run.info.machine.emulated]):
        raise ReportError(f"{refused[0].path}: its GPU was emulated, so its times mean nothing; --emulated reports it")
    # Imported here: pandas and matplotlib take a second to import.
    from bench_core.analysis.other_side import other_side
    from bench_core.report.content import analyze, content
    from bench_core.report.page import page
    from bench_core.report.tables import frame

    analysis = analyze(runs, other_side(runs, reference))
    with staged(out) as folder:
        frame.write_csv(frame.records_frame(analysis.pooled.results, analysis.causes, prices), folder / "cases.csv")
        frame.write_csv(frame.speedups_frame(analysis.comparisons), folder / "speedups.csv")
        if analysis.potentials:
            frame.write_csv(frame.bounds_frame(analysis.potentials), folder / "gpu_bounds.csv")
        report = content(analysis, prices)
        (folder / "report.md").write_text(page.markdown(report), encoding="utf-8")
        _write_page(report, folder)
    return out / "index.html"


def write_side_by_side(comparison: NamedComparison, out: Path) -> Path:
    """Write the pages and plots of two runs side by side to a folder, and ``speedups.csv`` with the ratio of each case.

    Returns the path of the page. Raises ``ReportError`` if the folder cannot be written.
    """
    from bench_core.report.comparing import as_markdown
    from bench_core.report.side_by_side import side_by_side
    from bench_core.report.tables import frame

    with staged(out) as folder:
        frame.write_csv(frame.speedups_frame(comparison.runs.rows), folder / "speedups.csv")
        brief = as_markdown(comparison, LIMIT - len(FULL_PAGE)) + FULL_PAGE
        (folder / "report.md").write_text(brief, encoding="utf-8")
        _write_page(side_by_side(comparison), folder)
    return out / "index.html"


def _write_page(report: Content, folder: Path) -> None:
    """The page and its plots."""
    from bench_core.report.page import page
    from bench_core.report.plots.saving import save_all

    (folder / "plots").mkdir()
    svgs = save_all(report.plots, folder / "plots")
    (folder / "index.html").write_text(page.html(report, svgs), encoding="utf-8")
