"""The report: from stored runs to an offline HTML page, Markdown, plots and CSV files.

May import ``analysis``, ``storage`` and ``core``; never torch, and nothing that measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench_core.core.errors import ReportError
from bench_core.core.records import Run
from bench_core.report.page.output import staged

__all__ = ["ReportError", "write"]


def write(runs: Sequence[Run], out: Path, *, emulated: bool = False) -> Path:
    """Write ``index.html``, ``report.md``, ``speedups.csv``, ``cases.csv`` and ``plots/`` to a folder.

    Returns the path of the page, a single file with all plots embedded. Other files in the folder stay. Raises
    ``ReportError`` (a ``ValueError``) without runs, if the folder cannot be written, and for runs on an emulated GPU,
    whose times mean nothing, unless ``emulated`` asks for them.
    """
    if not runs:
        raise ReportError("there is no run to report; store one with `pytest benchmarks --benchmark-autosave`")
    if not emulated and (refused := [run for run in runs if run.info.machine.emulated]):
        raise ReportError(f"{refused[0].path}: its GPU was emulated, so its times mean nothing; --emulated reports it")
    # Imported here: pandas and matplotlib take a second to import.
    from bench_core.report.content import analyze, content
    from bench_core.report.page import page
    from bench_core.report.plots import draw
    from bench_core.report.tables import frame

    analysis = analyze(runs)
    report = content(analysis)
    with staged(out) as folder:
        (folder / "plots").mkdir()
        svgs = {}
        for plot in report.plots:
            svg, png = (folder / "plots" / f"{plot.name}.{kind}" for kind in ("svg", "png"))
            draw.save(plot.chart, svg, png)
            svgs[plot.name] = svg.read_bytes()
        frame.write_csv(frame.records_frame(analysis.pooled.results), folder / "cases.csv")
        frame.write_csv(frame.speedups_frame(analysis.comparisons), folder / "speedups.csv")
        (folder / "report.md").write_text(page.markdown(report), encoding="utf-8")
        (folder / "index.html").write_text(page.html(report, svgs), encoding="utf-8")
    return out / "index.html"
