"""Saving a run: pytest-benchmark's storage in files, without its races and its limit of 9999 runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import safe_dumps

from bench_core.storage.checksum import with_checksum
from bench_core.storage.numbered import number_of, write_numbered

ALL_RUNS = "[0-9][0-9][0-9][0-9]*_"


class RunStorage(FileStorage):
    """Stores each run complete or not at all, under a number that no other run has, of any number of digits.

    ``saved`` is the file of the run that was saved. If it cannot be written, ``problem`` is one line that says why.
    """

    saved: Path | None = None
    problem: str | None = None

    @property
    def folder(self) -> Path:
        """Where runs of this machine are written to."""
        return Path(self.path, self.default_machine_id or "")

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Write a run. What cannot be written is reported in one line, and the session goes on."""
        content = with_checksum(safe_dumps(output_json, ensure_ascii=True, indent=4))  # type: ignore[no-untyped-call]
        try:
            self.saved = write_numbered(self.folder, save, content)
        except OSError as error:
            self.problem = f"{self.folder}: the run could not be saved ({error.strerror or error})"
            self.logger.error(self.problem)
        else:
            self.logger.info(f"Saved benchmark data in: {self.saved}")

    def query(self, *globs_or_files: str) -> list[Path]:
        """The stored runs meant by these patterns, by their numbers; a whole number means the run that has it."""
        globs = (f"{glob}_" if _is_number(glob) else glob for glob in globs_or_files)
        files = super().query(*globs)  # type: ignore[no-untyped-call]
        return sorted(files, key=lambda file: (number_of(file.name) or 0, file.name, file.parent))

    def load(self, *globs_or_files: str) -> Iterator[tuple[Path, Any]]:
        """The paths and contents of stored runs: of all that have a number, if no pattern is given."""
        yield from super().load(*(globs_or_files or (ALL_RUNS,)))  # type: ignore[no-untyped-call]


def _is_number(glob: Any) -> bool:
    return str(glob).isdecimal() and len(str(glob)) >= 4


def adopt_storage(benchmarks: Any) -> RunStorage | None:
    """Make pytest-benchmark's session store in files with ``RunStorage``; ``None`` if it stores elsewhere."""
    storage = benchmarks.storage
    if type(storage) is FileStorage:
        storage = RunStorage(storage.path, storage.logger, storage.default_machine_id)  # type: ignore[no-untyped-call]
        benchmarks.storage = storage
    return storage if isinstance(storage, RunStorage) else None
