"""From content to text: the HTML page, and its short form in Markdown, by templates."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from bench_core.core import text
from bench_core.core.markdown import LIMIT, fitting, plain
from bench_core.report.content import Content
from bench_core.report.page.templating import environment
from bench_core.report.tables.table import Cell, Link

MAX_LINE = 600
"""The most characters of a sentence or cell in the short form; the middle of longer ones is left out."""


def html(content: Content, svgs: Mapping[str, bytes]) -> str:
    """The HTML page. The plots' SVGs are embedded, so that the page is a single file."""
    images = {name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in svgs.items()}
    templates = environment()
    allowed = _hash(templates.get_template("filter.js").render())
    return templates.get_template("index.html.j2").render(c=content, images=images, script_hash=allowed)


def _hash(script: str) -> str:
    """The hash by which the page allows its own script, and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def markdown(content: Content, limit: int = LIMIT) -> str:
    """The short form for a pull request, in at most ``limit`` characters: rows that find no room are left out and
    counted."""
    rows = content.brief.rows if content.brief else ()
    return fitting(lambda kept: _brief(content, kept), len(rows), limit)


def _brief(content: Content, kept: int) -> str:
    templates = environment()
    templates.filters["plain"] = _plain
    words = templates.get_template("report.md.j2").render(c=content, kept=kept)
    return re.sub(r"\n{3,}", "\n\n", words)


def _plain(cell: Cell) -> str:
    return plain(text.fitted(cell.text if isinstance(cell, Link) else str(cell), MAX_LINE))
