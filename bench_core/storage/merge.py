"""Runs from several places brought together, each once; the shards of a sweep become one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench_core.core.errors import RecordError, StorageError
from bench_core.core.records import Run, RunInfo
from bench_core.storage.duplicates import Rank, most_complete, rank
from bench_core.storage.files import load
from bench_core.storage.folder import locked
from bench_core.storage.joining import joined_document, joined_info, missing, sweeps
from bench_core.storage.numbered import next_number, number_of, numbers_in, write_new


@dataclass
class Merged:
    """What a merge did: files that were written, less complete ones of the same runs that were replaced, the number of
    source files whose run was there already, and why other files were left. ``joined`` names the files, among those
    written, that were made of shards, with their number; ``lacking`` describes sweeps of which shards are missing."""

    written: list[Path] = field(default_factory=list)
    replaced: list[Path] = field(default_factory=list)
    known: int = 0
    left: list[str] = field(default_factory=list)
    joined: dict[Path, int] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Stored:
    """A stored run without its figures, and the subfolder that it belongs to. ``shards`` are those of which it is yet
    to be made; then ``path`` is that of the first."""

    path: Path
    subfolder: Path
    info: RunInfo
    cases: frozenset[str]
    shards: tuple[_Stored, ...] = ()

    @property
    def rank(self) -> Rank:
        return rank(self.info.partial, len(self.cases))

    def content(self) -> bytes:
        return joined_document([shard.path for shard in self.shards]) if self.shards else self.path.read_bytes()


def merge(destination: Path, sources: Sequence[Path]) -> Merged:
    """Copy the runs of the sources into a folder, each run once by its id; merging again changes nothing.

    All shards of a sweep are written as one run, in the folder of its machine, and deleted from the destination if an
    earlier merge copied them there one by one. A sweep that lacks a shard is copied shard by shard; a shard is known if
    a run that was made of it is at hand.

    Runs keep their subfolders: those of the machine where they are stored in such (``<machine>/<id>/``), else those
    below the source. A file keeps its name, with a new number if its number is taken. Of several files of one run the
    most complete one is kept; a less complete one in the destination is replaced if all its cases are in the other.
    Sources are not changed.

    Raises ``StorageError`` if a source and the destination overlap or a file cannot be written, and ``RecordError`` if
    no source has a run that can be read.
    """
    merged = Merged()
    _check_apart(destination, sources)
    there = _stored_in(destination, merged) if destination.exists() else []
    present = {stored.info.run_id: stored for stored in _once_each(there)}
    found = [stored for source in sources for stored in _stored_in(source, merged)]
    if not found:
        raise RecordError(merged.left[0] if merged.left else f"{sources[0]}: has no stored run")
    at_hand = _once_each([*there, *found])
    whole = _joined(at_hand, merged)
    apart = [stored for stored in _once_each(found) if not _is_part(stored, [*whole, *at_hand])]
    new = [stored for stored in _once_each([*whole, *apart]) if _adds(stored, present)]
    merged.known = len(found) - len({stored.info.run_id for stored in found} & _ids(new))
    try:
        _write(destination, new, merged)
        for stored in new:
            for run_id in sorted(_ids([stored])):
                _drop(present.get(run_id), stored, merged)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"{destination}: cannot be written to ({reason}); runs merged so far are complete") from None
    return merged


def _once_each(runs: Iterable[_Stored]) -> list[_Stored]:
    return most_complete(runs, lambda stored: stored.info.run_id, lambda stored: stored.rank)


def _joined(runs: Sequence[_Stored], merged: Merged) -> list[_Stored]:
    """The runs that the shards among these make; sweeps that lack a shard are noted."""
    sets, others = sweeps([stored for stored in runs if stored.info.shard], lambda stored: stored.info)
    whole = [_whole(members) for members in sets]
    for shards in others:
        if apart := [shard.info for shard in shards if not _is_part(shard, [*whole, *runs])]:
            merged.lacking.append(missing(apart))
    return whole


def _whole(shards: tuple[_Stored, ...]) -> _Stored:
    """The run that these shards make, in the folder in which its machine would have stored it."""
    info, path = joined_info([shard.info for shard in shards]), shards[0].path
    cases = frozenset(case for shard in shards for case in shard.cases)
    return _Stored(path, Path(info.machine.slug, path.parent.name), info, cases, shards)


def _check_apart(destination: Path, sources: Sequence[Path]) -> None:
    whole = destination.resolve()
    for source in sources:
        other = source.resolve()
        if other.is_relative_to(whole) or whole.is_relative_to(other):
            raise StorageError(f"{source} and {destination} overlap; merge into a folder beside the sources")


def _stored_in(source: Path, merged: Merged) -> list[_Stored]:
    """The runs of a folder, or of a file; what cannot be read is left, with the reason."""
    stored = []
    for path in sorted(source.rglob("*.json")) if source.is_dir() else [source]:
        try:
            stored.append(_stored(load(path), source))
        except RecordError as error:
            merged.left.append(str(error))
    return stored


def _stored(run: Run, source: Path) -> _Stored:
    return _Stored(
        path=run.path,
        subfolder=_subfolder(run, source),
        info=run.info,
        cases=frozenset(record.case.id for record in run.records),
    )


def _subfolder(run: Run, source: Path) -> Path:
    folder = run.path.resolve().parent
    if folder.parent.name == run.info.machine.slug:
        return Path(folder.parent.name, folder.name)
    return run.path.parent.relative_to(source) if source.is_dir() else Path()


def _ids(runs: Iterable[_Stored]) -> set[str]:
    """The ids of runs, and of the shards that they were made of."""
    return {run_id for run in runs for run_id in (run.info.run_id, *run.info.joined)}


def _is_part(stored: _Stored, runs: Iterable[_Stored]) -> bool:
    """Whether one of these runs was made of a run and has all its cases."""
    return any(stored.info.run_id in run.info.joined and stored.cases <= run.cases for run in runs)


def _adds(stored: _Stored, present: Mapping[str, _Stored]) -> bool:
    known = present.get(stored.info.run_id)
    return known is None or stored.rank > known.rank


def _write(destination: Path, new: Sequence[_Stored], merged: Merged) -> None:
    """Copy the runs, folder by folder; those whose number is taken follow the others, in the order of their start."""
    by_folder: dict[Path, list[_Stored]] = {}
    for stored in sorted(new, key=lambda stored: (stored.info.started, stored.info.run_id)):
        by_folder.setdefault(destination / stored.subfolder, []).append(stored)
    for folder, runs in by_folder.items():
        with locked(folder):
            taken = numbers_in(folder)
            for stored in runs:
                copy = write_new(folder / _name(stored.path.name, folder, taken), stored.content())
                merged.written.append(copy)
                taken.add(number_of(copy.name) or 0)
                if stored.shards:
                    merged.joined[copy] = len(stored.shards)


def _name(name: str, folder: Path, taken: set[int]) -> str:
    """A name for a copy of a file: its own, with another number if that is taken."""
    number = number_of(name)
    if number is None:
        return f"{next_number(taken):04}_{name}" if (folder / name).exists() else name
    return f"{next_number(taken):04}_{name.partition('_')[2]}" if number in taken else name


def _drop(old: _Stored | None, new: _Stored, merged: Merged) -> None:
    """Delete a less complete file of a run, if nothing in it is lost."""
    if old is not None and old.cases <= new.cases:
        old.path.unlink()
        merged.replaced.append(old.path)
