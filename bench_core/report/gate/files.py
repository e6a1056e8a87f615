"""Where the result of a gate is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench_core.core.errors import ReportError


def check_writable(paths: Iterable[Path]) -> None:
    """Raise ``ReportError`` if a file cannot be written: before the gate, not after it. No file is changed."""
    for path in paths:
        existed = path.exists()
        _opened(path, "")
        if not existed:
            path.unlink()


def write(path: Path, words: str) -> None:
    """Write a file. Raises ``ReportError`` if it cannot be written."""
    _opened(path, words, mode="w")


def append(path: Path, words: str) -> None:
    """Write at the end of a file. Raises ``ReportError`` if it cannot be written."""
    _opened(path, words)


def _opened(path: Path, words: str, mode: str = "a") -> None:
    try:
        with path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.write(words)
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror}); name another file") from None
