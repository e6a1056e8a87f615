"""Stored runs over time: as text for a terminal, as an offline page, and as CSV files."""

from __future__ import annotations

import base64
from pathlib import Path

from bench_core.analysis.history.steps import Findings
from bench_core.report.history.plain import as_text
from bench_core.report.page.output import staged

__all__ = ["as_text", "write"]


def write(findings: Findings, out: Path) -> Path:
    """Write ``index.html``, ``history.csv`` and ``steps.csv`` to a folder, and return the path of the page.

    The page is a single file. Other files in the folder stay. Raises ``ReportError`` if the folder cannot be written.
    """
    # Imported here: matplotlib takes a second to import, and the text does not need it.
    from bench_core.report.history import plot, tables
    from bench_core.report.history.content import content
    from bench_core.report.page.templating import environment

    page = content(findings)
    svgs = {series.anchor: plot.svg(series.stepped) for series in page.plotted if series.plotted}
    images = {name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in svgs.items()}
    html = environment().get_template("history.html.j2").render(c=page, images=images)
    with staged(out) as folder:
        tables.write_values(findings, folder / "history.csv")
        tables.write_steps(findings, folder / "steps.csv")
        (folder / "index.html").write_text(html, encoding="utf-8", errors="replace")
    return out / "index.html"
