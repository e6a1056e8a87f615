"""From content to text: the HTML page and the same in Markdown, by templates."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from bench_core.report.content import Content
from bench_core.report.page.templating import environment
from bench_core.report.plots.charts import file_name
from bench_core.report.tables.table import Link


def html(content: Content, svgs: Mapping[str, bytes]) -> str:
    """The HTML page. The plots' SVGs are embedded, so that the page is a single file."""
    images = {name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in svgs.items()}
    return _render("index.html.j2", content, images)


def markdown(content: Content) -> str:
    """The Markdown page, with links to the plots' PNG files."""
    text = _render("report.md.j2", content, {plot.name: f"plots/{plot.name}.png" for plot in content.plots})
    return re.sub(r"\n{3,}", "\n\n", text)


def _render(template: str, content: Content, images: Mapping[str, str]) -> str:
    templates = environment()
    templates.filters["cell"] = _markdown_cell
    return templates.get_template(template).render(c=content, images=images)


def _markdown_cell(cell: Any) -> str:
    """Text in which nothing breaks a Markdown table."""
    if isinstance(cell, Link):
        return f"[{_markdown_cell(cell.text)}](#{file_name(cell.anchor).lower()})"
    return " ".join(str(cell).split()).replace("|", "\\|").replace("<", "&lt;")
