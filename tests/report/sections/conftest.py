"""The report of runs, written and read again."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench_core.core.records import Run
from bench_core.report import write

WriteReport = Callable[..., "WrittenReport"]


@dataclass(frozen=True)
class WrittenReport:
    """A report's folder, the page's source and text, and the Markdown."""

    folder: Path
    source: str
    text: str
    markdown: str


@pytest.fixture
def write_report(tmp_path: Path) -> WriteReport:
    """Writes a report of some runs."""

    def written(*runs: Run) -> WrittenReport:
        source = write(runs, tmp_path / "report").read_text(encoding="utf-8")
        words = html.unescape(re.sub(r"<[^>]*>", " ", source))
        markdown = (tmp_path / "report/report.md").read_text(encoding="utf-8")
        return WrittenReport(tmp_path / "report", source, " ".join(words.split()), markdown)

    return written
