"""Continuing a run that was stopped or killed: from its journal, if nothing has changed that determines its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from bench_core.core.case import Case
from bench_core.core.errors import OptionError, RecordError
from bench_core.core.machine import INCIDENTAL
from bench_core.core.records import Record, RunInfo
from bench_core.core.results import Measurement
from bench_core.storage.journal import Journal, Rows, unfinished
from bench_core.storage.journaled import Journaled, read, read_start

NOT_MEASURED = ("--bench-resume", "--bench-budget")
"""Options that do not change how a case is measured."""


def why_not_resumable(then: RunInfo, now: RunInfo, changes: tuple[str | None, str | None] = (None, None)) -> str | None:
    """What has changed since a run began so that it cannot be continued, old and new; ``None`` if nothing has.

    ``changes`` identifies what differed from the commit then and now.
    """
    differences = [f"{what} {old} -> {new}" for what, old, new in _facts(then, now, changes) if old != new]
    return "; ".join(differences) or None


def _facts(then: RunInfo, now: RunInfo, changes: tuple[str | None, str | None]) -> Iterator[tuple[str, Any, Any]]:
    """What must be the same: its name, the old and the new value."""
    yield "bench-core", then.version, now.version
    yield "commit", _commit(then), _commit(now)
    if then.dirty and now.dirty and then.commit == now.commit:
        yield "uncommitted changes", *changes
    machine = asdict(now.machine)
    for name, old in asdict(then.machine).items():
        if name not in INCIDENTAL:
            yield name, old, machine[name]
    old_options, new_options = _options(then), _options(now)
    for name in dict.fromkeys([*old_options, *new_options]):
        yield name, old_options.get(name, "(not given)"), new_options.get(name, "(not given)")


def _commit(info: RunInfo) -> str:
    return f"{info.commit}{' with uncommitted changes' if info.dirty else ''}"


def _options(info: RunInfo) -> Mapping[str, str]:
    return {name: value for name, value in info.options.items() if name not in NOT_MEASURED}


class Earlier:
    """The results of the run that is continued, if any; each is handed out to be taken over."""

    def __init__(self, journaled: Journaled | None = None) -> None:
        self._records = {record.case: record for record in journaled.records} if journaled else {}
        self._rows = dict(journaled.studied) if journaled else {}
        self._left: set[Case | str] = {*self._records, *self._rows}

    def record(self, case: Case) -> Record | None:
        """The record of a case that was measured before."""
        self._left.discard(case)
        return self._records.get(case)

    def rows(self, item: str) -> Rows | None:
        """The rows of a study's item that was completed before."""
        self._left.discard(item)
        return self._rows.get(item)

    def __contains__(self, name: Case | str) -> bool:
        return name in self._records or name in self._rows

    @property
    def exists(self) -> bool:
        """Whether a run is continued."""
        return bool(self._records or self._rows)

    @property
    def is_left(self) -> bool:
        """Whether there is a result that nobody asked for, as if fewer cases were selected than before."""
        return bool(self._left)


def resumable(folder: Path, now: RunInfo, changes: str | None = None) -> tuple[Journal, Journaled]:
    """The newest unfinished run of a folder: its journal, open to be continued, and what it holds.

    Raises ``OptionError`` if there is none, or if something has changed since; ``StorageError`` and ``RecordError`` if
    the journal cannot be written to or read.
    """
    path = _newest(folder, _part(now))
    if path is None:
        raise OptionError(f"--bench-resume: {folder} has no unfinished run; leave the option out to begin one")
    journal = Journal.reopen(path)
    journaled = read(path)
    reason = why_not_resumable(journaled.info, now, (journaled.changes, changes))
    if reason:
        journal.close()
        raise OptionError(
            f"--bench-resume: cannot continue the run of {journaled.info.started}, as this has changed: {reason}; "
            f"store what it measured with `bench-core recover {path}`"
        )
    return journal, journaled


def _newest(folder: Path, part: tuple[int, int] | None) -> Path | None:
    """The newest unfinished run of the same part of a sweep, or of a whole one, as all may share a folder."""
    return next((path for path in unfinished(folder) if _part_in(path) == part), None)


def _part_in(path: Path) -> tuple[int, int] | None:
    try:
        return _part(read_start(path))
    except RecordError:  # damaged, or continued or removed meanwhile
        return None


def _part(info: RunInfo) -> tuple[int, int] | None:
    return (info.shard.index, info.shard.count) if info.shard else None


def measurement_of(record: Record) -> Measurement:
    """The measurement of a record, with the samples that were stored."""
    timing = {spec.name: getattr(record.timing, spec.name) for spec in fields(Measurement) if spec.name != "flags"}
    return Measurement(**timing, flags=record.flags)
