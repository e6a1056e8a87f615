"""The report of runs, written and read again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench_core.core.records import Run
from bench_core.report import write
from tests.support.pages import Page

WriteReport = Callable[..., "WrittenReport"]


@dataclass(frozen=True)
class WrittenReport:
    """A report's folder, and the page's source, text, and rows of tables."""

    folder: Path
    source: str
    text: str
    rows: list[list[str]]


@pytest.fixture
def write_report(tmp_path: Path) -> WriteReport:
    """Writes a report of some runs."""

    def written(*runs: Run) -> WrittenReport:
        source = write(runs, tmp_path / "report").read_text(encoding="utf-8")
        page = Page(source)
        return WrittenReport(tmp_path / "report", source, page.text, page.rows)

    return written
