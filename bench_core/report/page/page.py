"""From content to text: the HTML page and the same in Markdown, by templates."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import jinja2

from bench_core.analysis.comparison import Verdict
from bench_core.core.version import __version__
from bench_core.report.content import Content
from bench_core.report.plots.charts import file_name
from bench_core.report.tables.table import Link

LARGE_TABLE = 12
"""Tables with more rows than this are collapsed at first."""


def html(content: Content, svgs: Mapping[str, bytes]) -> str:
    """The HTML page. The plots' SVGs are embedded, so that the page is a single file."""
    images = {name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in svgs.items()}
    return _render("index.html.j2", content, images)


def markdown(content: Content) -> str:
    """The Markdown page, with links to the plots' PNG files."""
    text = _render("report.md.j2", content, {plot.name: f"plots/{plot.name}.png" for plot in content.plots})
    return re.sub(r"\n{3,}", "\n\n", text)


def _render(template: str, content: Content, images: Mapping[str, str]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench_core.report.page"),
        autoescape=jinja2.select_autoescape(("html.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"slug": file_name, "cell": _markdown_cell}
    return environment.get_template(template).render(
        c=content, images=images, version=__version__, large=LARGE_TABLE, **_CELL_TESTS
    )


_CELL_TESTS = {
    "is_link": lambda cell: isinstance(cell, Link),
    "is_verdict": lambda cell: isinstance(cell, Verdict),
}


def _markdown_cell(cell: Any) -> str:
    """Text in which nothing breaks a Markdown table."""
    if isinstance(cell, Link):
        return f"[{_markdown_cell(cell.text)}](#{file_name(cell.anchor).lower()})"
    return " ".join(str(cell).split()).replace("|", "\\|").replace("<", "&lt;")
