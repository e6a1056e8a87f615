"""An index of stored runs, so that the history of thousands of them is ready in seconds.

Each file is read once, with all checks. Its main figures are kept in a cache, which belongs to the files and folders
that were asked for. It may be deleted at any time, and is then made anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench_core.core.errors import RecordError
from bench_core.core.records import Record, Run
from bench_core.storage import index_cache
from bench_core.storage.duplicates import most_complete, rank
from bench_core.storage.files import find_files, load
from bench_core.storage.history import COLUMNS, History, RunRow, Series, Table
from bench_core.storage.index_cache import Contents, IndexedFile

T = TypeVar("T")


@dataclass(frozen=True)
class _Entry:
    """A file of the index and the rows of its records."""

    file: IndexedFile
    rows: Table


def index(paths: Iterable[Path]) -> History:
    """The history of the stored runs in these files and folders. Only files that are new or changed are read.

    ``notes`` name the files that cannot be used. Of several files of one run, the most complete counts. Raises
    ``RecordError`` for a path that does not exist, and for a folder without stored runs.
    """
    paths = list(paths)
    files = {os.path.abspath(path): path for path in find_files(paths)}  # noqa: PTH100 - links stay as they are
    candidates = index_cache.places(paths)
    cached = index_cache.read(candidates)
    builder = _Builder(cached)
    entries, notes = builder.up_to_date(files)
    if [entry.file for entry in entries] != list(cached.files):
        reason = index_cache.write(candidates, builder.contents(entries))
        if reason:
            notes.append(f"the index of stored runs cannot be kept, so all of them are read each time ({reason})")
    return _history(_once_each(entries), builder, files, notes)


class _Builder:
    """Takes files from the cache or reads them. Cases and series have numbers, in the order in which they were seen."""

    def __init__(self, cached: Contents) -> None:
        ends = np.cumsum([file.records for file in cached.files], dtype=np.int64)
        rows = np.split(cached.table, ends)
        self._cached = {file.path: _Entry(file, part) for file, part in zip(cached.files, rows[:-1], strict=True)}
        self.cases = {case: i for i, case in enumerate(cached.cases)}
        self.series = {series: i for i, series in enumerate(cached.series)}

    def up_to_date(self, files: dict[str, Path]) -> tuple[list[_Entry], list[str]]:
        """The entries of all files that can be used, by absolute path, and a note about each of the others."""
        entries, notes = [], []
        for key, path in files.items():
            try:
                entries.append(self._entry(key, path))
            except RecordError as error:
                notes.append(str(error))
        return entries, notes

    def contents(self, entries: Sequence[_Entry]) -> Contents:
        """The index of these files."""
        return Contents(tuple(entry.file for entry in entries), tuple(self.cases), tuple(self.series), _joined(entries))

    def _entry(self, key: str, path: Path) -> _Entry:
        try:
            state = path.stat()
        except OSError as error:
            raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
        cached = self._cached.get(key)
        if cached and (cached.file.size, cached.file.mtime_ns) == (state.st_size, state.st_mtime_ns):
            return cached
        run = load(path)
        file = IndexedFile(key, state.st_size, state.st_mtime_ns, _run_row(run), len(run.records), run.skipped)
        return _Entry(file, np.array([self._row(record, run) for record in run.records], COLUMNS))

    def _row(self, record: Record, run: Run) -> tuple[Any, ...]:
        timing, machine = record.timing, run.info.machine
        series = Series(record.device_model, record.threads, machine.hardware, machine.software)
        return (
            0,  # the run's position, known once all runs are
            self.cases.setdefault(record.case, len(self.cases)),
            self.series.setdefault(series, len(self.series)),
            timing.count,
            timing.median,
            *(timing.interval or (np.nan, np.nan)),
            timing.confidence,
            timing.effective_samples,
            np.nan if record.peak_memory is None else record.peak_memory,
            record.contended,
        )


def _run_row(run: Run) -> RunRow:
    info = run.info
    return RunRow(
        run.path, info.run_id, info.started, info.version, info.machine, info.commit, info.dirty, info.partial
    )


def _joined(entries: Iterable[_Entry]) -> Table:
    rows = [np.empty(0, COLUMNS), *(entry.rows for entry in entries)]
    as_bytes = np.dtype((np.void, COLUMNS.itemsize))  # else numpy compares the columns of every part
    return np.concatenate([part.view(as_bytes) for part in rows]).view(COLUMNS)


def _once_each(entries: Iterable[_Entry]) -> list[_Entry]:
    """The most complete file of each run; the oldest run first."""
    best = most_complete(
        entries,
        lambda entry: entry.file.run.run_id,
        lambda entry: rank(entry.file.run.partial, entry.file.records),
    )
    return sorted(best, key=lambda entry: (entry.file.run.started, entry.file.run.run_id))


def _history(entries: Sequence[_Entry], builder: _Builder, paths: dict[str, Path], notes: Sequence[str]) -> History:
    """These files as a history, by the names that the user gave them."""
    table = _joined(entries)
    table["run"] = np.repeat(np.arange(len(entries)), [entry.file.records for entry in entries])
    return History(
        runs=tuple(replace(entry.file.run, path=paths[entry.file.path]) for entry in entries),
        cases=_in_use(table, "case", builder.cases),
        series=_in_use(table, "series", builder.series),
        records=table,
        notes=(*notes, *(note for entry in entries for note in entry.file.notes)),
    )


def _in_use(table: Table, column: str, values: Iterable[T]) -> tuple[T, ...]:
    """The values whose positions are in a column. The column gets their positions among these."""
    every = tuple(values)
    used = np.zeros(len(every), dtype=bool)
    used[table[column]] = True
    table[column] = (np.cumsum(used) - 1)[table[column]]
    return tuple(value for value, is_used in zip(every, used, strict=True) if is_used)
