"""New files in a folder of stored runs: under a number of their own, and either complete or not there."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterable
from pathlib import Path

from bench_core.storage.folder import locked

_NUMBER = re.compile(r"(\d{4,})_")


def number_of(name: str) -> int | None:
    """The number that a stored run's file name begins with, as in ``0007_name.json``; ``None`` without one."""
    found = _NUMBER.match(name)
    return int(found[1]) if found else None


def numbers_in(*folders: Path) -> set[int]:
    """The numbers that the files of these folders have."""
    names = (path.name for folder in folders if folder.is_dir() for path in folder.iterdir())
    return {number for name in names if (number := number_of(name)) is not None}


def next_number(taken: Iterable[int]) -> int:
    """The number after all that are taken."""
    return max(taken, default=0) + 1


def write_numbered(folder: Path, name: str, content: bytes) -> Path:
    """Write a stored run as ``<number>_<name>.json``, and return its path.

    The number follows those in the folder and in the one above, where pytest-benchmark looks for numbers too. Two
    processes never take the same one. Raises ``OSError`` if the file cannot be written; then none is there.
    """
    with locked(folder):
        number = next_number(numbers_in(folder, folder.parent))
        return write_new(folder / f"{number:04}_{name}.json", content)


def write_new(path: Path, content: bytes) -> Path:
    """Write a file that is not there yet: complete and on the disk, or not at all.

    Raises ``FileExistsError`` if the file is there, and ``OSError`` if it cannot be written.
    """
    unfinished = path.with_name(f".{uuid.uuid4().hex}.unfinished")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _name(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    _flush_folder(path.parent)
    return path


def _name(unfinished: Path, path: Path) -> None:
    """Give a complete file its name, which no other file may have."""
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(f"{path} is there already") from None
        unfinished.rename(path)


def _flush_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the file system can."""
    with contextlib.suppress(OSError):
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
