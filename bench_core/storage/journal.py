"""The journal of a run: what was measured so far, on the disk before the next case begins.

One line per entry: the CRC-32 of the JSON that follows it, then the JSON. The first entry is the run's own facts; each
record, case without a result and completed study item follows as it is made. A process that dies loses at most the case
that it was measuring. ``storage/journaled.py`` reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench_core.core.errors import RecordError, StorageError
from bench_core.core.records import NotRun, Record, RunInfo
from bench_core.storage.files import encode

SUFFIX = ".journal"
Rows = Mapping[str, list[dict[str, Any]]]
"""The rows that one item of a study made, as JSON data by the name of the study."""


class Journal:
    """The journal of a run that is under way.

    Writing raises nothing: a disk that is full or a folder that vanished must not end the run. ``problem`` is then one
    line that says what happened; entries that could not be written are tried again with the next one. The file is
    locked until it is closed or the process ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        self._unfinished = path.with_name(f".{path.name}.unfinished")  # without its first entry
        self._file: int | None = None
        self._pending: list[bytes] = []

    @classmethod
    def create(cls, folder: Path, info: RunInfo, changes: str | None = None) -> Journal:
        """Begin the journal of a run in a folder. ``changes`` identifies what differs from the commit, if known."""
        journal = cls(folder / f"{info.run_id}{SUFFIX}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            journal._open(journal._unfinished, os.O_CREAT | os.O_EXCL)
        except OSError as error:
            journal._note_problem(error)
        journal._note(header=encode(info), changes=changes)
        return journal

    @classmethod
    def reopen(cls, path: Path) -> Journal:
        """Continue a journal. Raises ``StorageError`` if it cannot be written to, or another process writes to it."""
        journal = cls(path)
        try:
            journal._open(path, 0)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written to ({error.strerror})") from None
        journal._pending.append(b"\n")  # ends a line that was cut short
        return journal

    def note_record(self, record: Record, shown: Mapping[str, Any] | None = None) -> None:
        """Note a case that has a result; ``shown`` is how pytest-benchmark names it."""
        self._note(record=encode(record), shown=dict(shown or {}))

    def note_not_run(self, entry: NotRun) -> None:
        """Note a case or study that has no result."""
        self._note(not_run=asdict(entry))

    def note_study(self, item: str, rows: Rows) -> None:
        """Note an item of a study that was completed."""
        self._note(study=item, rows=dict(rows))

    def note_finish(self, partial: bool) -> None:
        """Note that the run ended by itself, before it is saved."""
        self._note(finish={"partial": partial})

    def close(self) -> None:
        """Close the file, which frees its lock."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def remove(self) -> None:
        """Delete the journal of a run that was saved."""
        for path in (self.path, self._unfinished):
            with contextlib.suppress(OSError):
                path.unlink()
        self.close()

    def _open(self, path: Path, flags: int) -> None:
        file = os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o644)
        if not _lock(file):
            os.close(file)
            raise StorageError(f"{self.path}: its run is still under way; wait until it ends")
        self._file = file
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.close)  # a child that outlives this process must not hold the lock

    def _note(self, **entry: Any) -> None:
        if self._file is None:
            return
        self._pending.append(as_line(entry))
        try:
            self._flush(self._file)
        except OSError as error:
            self._note_problem(error)

    def _flush(self, file: int) -> None:
        before, data = os.fstat(file).st_size, b"".join(self._pending)
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
            if not before:
                self._unfinished.rename(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, before)
            raise
        self._pending.clear()
        if not os.fstat(file).st_nlink:
            self.close()
            raise FileNotFoundError(0, "it was deleted")

    def _note_problem(self, error: OSError) -> None:
        self.problem = self.problem or (
            f"{self.path}: the journal cannot be written ({error.strerror}); until the run is saved at its end, "
            "a process that is killed loses what it measured since"
        )


def journals(folder: Path) -> list[Path]:
    """The journals in a folder and below, the newest last."""
    return sorted(folder.rglob(f"*{SUFFIX}"), key=lambda path: (_modified(path), path.name))


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # removed meanwhile, as its run was saved
        return 0.0


def unfinished(folder: Path) -> Iterator[Path]:
    """The journals of a folder to which no process writes, the newest first."""
    return (path for path in reversed(journals(folder)) if not is_live(path))


def is_live(path: Path) -> bool:
    """Whether a process still writes to a journal, or it is gone."""
    try:
        with claimed(path):
            return False
    except (StorageError, RecordError):
        return True


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold a journal, so that no run continues it meanwhile.

    Raises ``StorageError`` if a process writes to it, and ``RecordError`` if it cannot be read.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    try:
        if not _lock(file):
            raise StorageError(f"{path}: its run is still under way; wait until it ends")
        yield
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    """Lock a file until it is closed; whether no other process holds it. A system without such locks has none."""
    try:
        import fcntl  # not on Windows
    except ModuleNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def as_line(entry: Mapping[str, Any]) -> bytes:
    """An entry as a line of a journal."""
    body = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def from_line(line: bytes) -> dict[str, Any]:
    """The entry of a line. Raises ``ValueError`` if the line does not match its checksum."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        raise ValueError("the line does not match its checksum")
    entry: dict[str, Any] = json.loads(body)
    return entry
