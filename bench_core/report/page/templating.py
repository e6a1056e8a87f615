"""The templates of the pages, and what they use."""

from __future__ import annotations

import jinja2

from bench_core.analysis.comparison import Verdict
from bench_core.core.version import __version__
from bench_core.report.plots.charts import file_name
from bench_core.report.tables.table import Link

LARGE_TABLE = 12
"""Tables with more rows than this are collapsed at first."""


def environment() -> jinja2.Environment:
    """Where templates are found; their filters and names, those of ``macros.html.j2`` among them."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bench_core.report.page"),
        autoescape=jinja2.select_autoescape(("html.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["slug"] = file_name
    made.globals |= {
        "version": __version__,
        "large": LARGE_TABLE,
        "is_link": lambda cell: isinstance(cell, Link),
        "is_verdict": lambda cell: isinstance(cell, Verdict),
    }
    return made
