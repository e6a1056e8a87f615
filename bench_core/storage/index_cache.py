"""The file in which the index is kept: numpy's .npz with the table of records, and with all else as JSON."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench_core.core.cache import cache_dir, draft
from bench_core.core.case import Case
from bench_core.core.version import __version__
from bench_core.storage import fast_json
from bench_core.storage.history import COLUMNS, RunRow, Series, Table

FORMAT = 3
"""Raise it when the contents or their meaning change. The cache of another format or another bench-core is not used."""


@dataclass(frozen=True)
class IndexedFile:
    """A file that was read: its absolute path; its size and time of change then; what was found in it.

    ``records`` is the number of its records.
    """

    path: str
    size: int
    mtime_ns: int
    run: RunRow
    records: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """An index: the files, in the order of their rows in ``table``, and what the numbers of its columns mean."""

    files: tuple[IndexedFile, ...]
    cases: tuple[Case, ...]
    series: tuple[Series, ...]
    table: Table


NOTHING = Contents((), (), (), np.empty(0, COLUMNS))


@dataclass(frozen=True)
class _Header:
    """What is stored as JSON."""

    format: int
    version: str
    files: tuple[IndexedFile, ...]
    cases: tuple[Case, ...]
    series: tuple[Series, ...]


def places(paths: Sequence[Path]) -> list[Path]:
    """Where the index of these paths may be kept, best first: in the user's cache folder, or beside the runs."""
    asked_for = "\n".join(sorted(os.path.abspath(path) for path in paths))  # noqa: PTH100 - links stay as they are
    name = f"{hashlib.sha256(asked_for.encode(errors='surrogateescape')).hexdigest()[:20]}.npz"
    beside = [path if path.is_dir() else path.parent for path in paths[:1]]
    try:
        own = [cache_dir() / "index" / name]
    except RuntimeError:  # there is no home directory
        own = []
    return [*own, *(folder / f".index-{name}" for folder in beside)]


def read(candidates: Sequence[Path]) -> Contents:
    """The first of these caches that can be used; ``NOTHING`` if there is none."""
    return next((contents for path in candidates if (contents := _read(path))), NOTHING)


def _read(path: Path) -> Contents | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            header, table = fast_json.decode(stored["header"].tobytes(), _Header, _converted), stored["table"]
    except Exception:  # np.load raises almost any exception for a damaged file
        return None
    if (header.format, header.version, table.dtype) != (FORMAT, __version__, COLUMNS):
        return None
    return Contents(header.files, header.cases, header.series, table)


def _converted(kind: Callable[[Any], Any], value: Any) -> Any:
    return kind(value)  # a Path of a text


def write(candidates: Sequence[Path], contents: Contents) -> str | None:
    """Keep an index in the first place that can be written to. If there is none, the reason."""
    if not fast_json.AVAILABLE:
        return "msgspec is not installed"
    reason = None
    for path in candidates:
        try:
            _write(path, contents)
        except OSError as error:
            reason = reason or f"{path}: {error.strerror}"
        else:
            return None
    return reason


def _write(path: Path, contents: Contents) -> None:
    header = _Header(FORMAT, __version__, contents.files, contents.cases, contents.series)
    with draft(path) as unfinished, unfinished.open("wb") as file:
        encoded = np.frombuffer(fast_json.encode(header), np.uint8)
        np.savez(file, header=encoded, table=contents.table)
