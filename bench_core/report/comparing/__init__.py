"""The comparison of two runs as text, Markdown and JSON. Needs no package of the report's extra."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bench_core.core.errors import ReportError
from bench_core.report.comparing.data import as_json
from bench_core.report.comparing.markdown import as_markdown
from bench_core.report.comparing.named import NamedComparison, summary
from bench_core.report.comparing.plain import as_text

__all__ = ["FORMATS", "NamedComparison", "as_json", "as_markdown", "as_text", "summary", "write"]

FORMATS: Mapping[str, Callable[[NamedComparison], str]] = {
    "text": as_text,
    "json": as_json,
    "markdown": as_markdown,
}
"""How to write each format."""


def write(words: str, output: Path, keep: Iterable[Path]) -> None:
    """Write a comparison to a file. Raises ``ReportError`` if it cannot be written, or is one of the files to keep."""
    try:
        if any(output.exists() and output.samefile(path) for path in keep):
            raise ReportError(f"{output}: is one of the stored runs that are compared; name another file with --output")
        output.write_text(words, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{output}: cannot be written ({error.strerror}); name another with --output") from None
