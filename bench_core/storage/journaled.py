"""What a journal holds, read back after its run ended or died.

A line that was cut short or changed does not match its checksum and is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from bench_core.core.case import Case
from bench_core.core.errors import NewerSchemaError, RecordError
from bench_core.core.records import NotRun, Record, RunInfo
from bench_core.core.schema import as_dataclass
from bench_core.storage.files import decode_record, decode_run
from bench_core.storage.journal import Rows, from_line


@dataclass(frozen=True)
class JournaledCase:
    """A case of a journal: its record, and how pytest-benchmark names it."""

    record: Record
    shown: Mapping[str, Any]


@dataclass(frozen=True)
class Journaled:
    """What a journal holds. Of several entries about a case or an item of a study the last one counts.

    ``info`` are the run's facts at its start, ``not_run`` what was noted since. ``studied`` has the rows of each
    completed item of a study. ``partial`` is false only if the run went through to its end. ``damaged`` counts the
    lines that were skipped because they do not match their checksum.
    """

    path: Path
    info: RunInfo
    changes: str | None
    cases: tuple[JournaledCase, ...]
    not_run: tuple[NotRun, ...]
    studied: Mapping[str, Rows]
    partial: bool
    damaged: int

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of the cases that have a result."""
        return tuple(case.record for case in self.cases)

    @property
    def facts(self) -> RunInfo:
        """The run's facts at the end of the journal, to be stored."""
        studies: dict[str, tuple[dict[str, Any], ...]] = {}
        for rows in self.studied.values():
            for name, added in rows.items():
                studies[name] = (*studies.get(name, ()), *added)
        return replace(
            self.info,
            partial=self.partial,
            not_run=self.info.not_run + self.not_run,
            studies=studies,
            studied=tuple(self.studied),
        )


def read(path: Path) -> Journaled:
    """Read a journal. Raises ``RecordError`` if it cannot be read, or if its first entry is missing or damaged."""
    reader = _taken(path)
    return Journaled(
        path=path,
        info=reader.facts(),
        changes=reader.changes,
        cases=tuple(reader.cases.values()),
        not_run=tuple(reader.not_run.values()),
        studied=reader.studied,
        partial=reader.partial,
        damaged=reader.damaged,
    )


def read_start(path: Path) -> RunInfo:
    """The run's facts from the first entry of a journal, which is all that is read. Raises as ``read`` does."""
    return _taken(path, lines=1).facts()


def _taken(path: Path, lines: int | None = None) -> _Reader:
    """A reader that has taken the first lines of a journal; by default, all."""
    reader = _Reader(path)
    try:
        with path.open("rb") as file:
            for line in islice(file, lines):
                reader.take(line.removesuffix(b"\n"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return reader


class _Reader:
    """Collects the entries of a journal, line by line."""

    def __init__(self, path: Path) -> None:
        self._where = str(path)
        self._info: RunInfo | None = None
        self.changes: str | None = None
        self.cases: dict[Case, JournaledCase] = {}
        self.not_run: dict[tuple[str, str | None], NotRun] = {}
        self.studied: dict[str, Rows] = {}
        self.partial = True
        self.damaged = 0

    def facts(self) -> RunInfo:
        """The run's facts. Raises ``RecordError`` if no line had them."""
        if self._info is None:
            raise RecordError(
                f"{self._where}: has no readable first entry with the run's facts, so its run cannot be restored"
            )
        return self._info

    def take(self, line: bytes) -> None:
        """Take the entry of a line, if there is one, or count the line as damaged."""
        if not line:
            return
        try:
            self._take(from_line(line))
        except NewerSchemaError:
            raise
        except (RecordError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            self.damaged += 1

    def _take(self, entry: dict[str, Any]) -> None:
        if "header" in entry:
            self._info, self.changes = decode_run(entry["header"], self._where), entry["changes"]
        elif "record" in entry:
            record = decode_record(entry["record"], self._where)
            self.cases[record.case] = JournaledCase(record, dict(entry["shown"]))
            self.not_run.pop((record.case.id, None), None)
        elif "not_run" in entry:
            absent = as_dataclass(NotRun, entry["not_run"])[0]
            self.not_run[absent.what, absent.study] = absent
        elif "study" in entry:
            self.studied[str(entry["study"])] = {str(name): list(rows) for name, rows in entry["rows"].items()}
        else:
            self.partial = bool(entry["finish"]["partial"])
