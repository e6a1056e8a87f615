"""What the paths of ``bench-core history`` mean: stored runs, and CSV files of values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bench_core.core.errors import NewerSchemaError
from bench_core.storage import values_csv
from bench_core.storage.files import load
from bench_core.storage.history import COLUMNS, History
from bench_core.storage.index import index
from bench_core.storage.values import Value

NO_RUNS = History((), (), (), np.empty(0, COLUMNS), ())


def read(paths: Iterable[Path]) -> tuple[History, list[Value]]:
    """The stored runs in these files and folders, and the values of these CSV files. CSV files in folders are not read.

    Raises ``RecordError`` for a file that is named itself and cannot be read, for a path that does not exist, and for a
    folder without stored runs; other files that cannot be read are named in the notes of the history.
    """
    paths = list(dict.fromkeys(paths))
    tables = [path for path in paths if path.suffix.lower() == values_csv.SUFFIX and not path.is_dir()]
    others = [path for path in paths if path not in tables]
    values = [value for path in tables for value in values_csv.read(path)]
    return (_runs(others) if others else NO_RUNS), values


def _runs(paths: Sequence[Path]) -> History:
    history = index(paths)
    used = {run.path for run in history.runs}
    for path in paths:
        if path not in used and path.is_file():
            _check(path)
    return history


def _check(path: Path) -> None:
    """Raise ``RecordError`` unless a file is a stored run. One of a newer schema is left to the notes of the index."""
    with contextlib.suppress(NewerSchemaError):
        load(path)
