"""Journals of runs that died, turned into stored runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_benchmark import __version__ as pytest_benchmark_version
from pytest_benchmark.stats import Stats

from bench_core.core.errors import RecordError, StorageError
from bench_core.core.records import RunInfo
from bench_core.storage.checksum import with_checksum
from bench_core.storage.files import KEY, encode, load
from bench_core.storage.journal import SUFFIX, claimed, journals
from bench_core.storage.journaled import Journaled, JournaledCase, read
from bench_core.storage.numbered import write_numbered


@dataclass(frozen=True)
class Recovered:
    """What became of a journal: the stored run that has its results (``None`` if it has none), whether that was written
    just now, the number of results, and the number of damaged lines. A damaged journal is ``kept`` under another name.
    """

    journal: Path
    stored: Path | None
    is_new: bool
    results: int
    damaged: int
    kept: Path | None

    def __str__(self) -> str:
        """What became of the journal, in a line or two."""
        if self.stored is None:
            line = f"{self.journal}: had no result"
        elif self.is_new:
            line = f"{self.journal}: {self.results} results written to {self.stored}"
        else:
            line = f"{self.journal}: its {self.results} results are in {self.stored} already"
        if self.kept:
            line += f"\n  {self.damaged} of its lines damaged or cut short; kept as {self.kept}"
        return line


def find_journals(paths: Iterable[Path]) -> list[Path]:
    """The journals meant by files and folders (searched in depth). Raises ``RecordError`` for one that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += journals(path)
        elif path.is_file() and path.suffix == SUFFIX:
            found.append(path)
        else:
            raise RecordError(f"{path}: is neither a journal (*{SUFFIX}) nor a folder of them")
    return list(dict.fromkeys(found))


def recover(journal: Path) -> Recovered:
    """Store the results of a journal next to it, and delete it; one with damaged lines is kept under another name.

    A run that is stored already with all these results is not stored again. Raises ``StorageError`` if the run is still
    under way or the file cannot be written, and ``RecordError`` if the journal cannot be read; then nothing changes.
    """
    with claimed(journal):
        journaled = read(journal)
        results = len(journaled.cases) + len(journaled.studied)
        known = _stored_already(journaled)
        stored = known
        try:
            if results and known is None:
                stored = write_numbered(journal.parent, _name(journaled.facts), _document(journaled))
            kept = _retire(journaled)
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"{journal}: cannot be stored ({reason}); the journal is unchanged") from None
    return Recovered(journal, stored, stored is not None and known is None, results, journaled.damaged, kept)


def _retire(journaled: Journaled) -> Path | None:
    if not journaled.damaged:
        journaled.path.unlink()
        return None
    return journaled.path.rename(journaled.path.with_suffix(f"{SUFFIX}-damaged"))


def _stored_already(journaled: Journaled) -> Path | None:
    """The stored run beside the journal that has all its results."""
    run_id = journaled.info.run_id.encode()
    for path in sorted(journaled.path.parent.glob("*.json")):
        try:
            run = load(path) if run_id in path.read_bytes() else None
        except (RecordError, OSError):
            continue
        if run and run.info.run_id == journaled.info.run_id and _has_all(run.records, run.info, journaled):
            return path
    return None


def _has_all(records: Iterable[Any], info: RunInfo, journaled: Journaled) -> bool:
    cases = {record.case for record in records}
    return {record.case for record in journaled.records} <= cases and set(journaled.studied) <= set(info.studied)


def _name(info: RunInfo) -> str:
    started = "".join(character for character in info.started[:19] if character.isdecimal() or character == "T")
    return f"{info.commit or 'unversioned'}_{started}{'_recovered' if info.partial else ''}"


def _document(journaled: Journaled) -> bytes:
    """The run as pytest-benchmark stores it."""
    info = journaled.facts
    document = {
        "machine_info": {
            "node": "",
            "processor": "",
            "system": info.machine.os,
            "release": info.machine.kernel,
            "python_version": info.machine.python,
            "cpu": {"brand_raw": info.machine.cpu, "count": info.machine.logical_cpus},
        },
        "commit_info": {"id": info.commit or "unversioned", "dirty": bool(info.dirty)},
        "benchmarks": [_benchmark(case) for case in journaled.cases],
        "datetime": info.started,
        "version": pytest_benchmark_version,
        KEY: encode(info),
    }
    return with_checksum(json.dumps(document, indent=4, allow_nan=False))


def _benchmark(case: JournaledCase) -> dict[str, Any]:
    """A case as pytest-benchmark stores it, with statistics of the samples that its record has."""
    name = case.record.case.id
    shown = {"group": None, "name": name, "fullname": name, "params": None, "param": None, **case.shown}
    stats = Stats()  # type: ignore[no-untyped-call]
    stats.data = list(case.record.timing.samples)
    figures = {**stats.as_dict(), "iterations": 1}  # type: ignore[no-untyped-call]
    return {**shown, "extra_info": {KEY: encode(case.record)}, "options": {}, "stats": figures}
