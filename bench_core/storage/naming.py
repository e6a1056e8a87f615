"""What a user calls a stored run: a file, a folder, ``latest``, or a commit; and the file that is meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_core.core.errors import RecordError
from bench_core.core.text import counted
from bench_core.storage.folder import full_commit
from bench_core.storage.history import RunRow
from bench_core.storage.index import index

RESULTS = Path("results")
REFERENCE = RESULTS / "reference"
"""The runs that come with the project."""
LATEST = "latest"
SHOWN = 10
"""How many digits of a commit are shown."""
_HASH = re.compile(r"[0-9a-fA-F]{4,40}")


@dataclass(frozen=True)
class Named:
    """The file that a name means. ``how`` says how it was found, and is empty if the name is that of the file itself.
    ``notes`` name stored runs that could not be read on the way, so that they were not considered."""

    name: str
    path: Path
    how: str = ""
    notes: tuple[str, ...] = ()


def find(name: str, results: Path = RESULTS) -> Named:
    """The stored run that a name means: a file or folder of this name (the newest run in it), else ``latest`` (the
    newest of the ``default_paths`` of ``results``), else a commit (the newest run of it there, a clean one if any is).

    A commit is whatever git in the current folder takes for one, or the beginning of a stored run's commit. Raises
    ``RecordError`` if there is no such run; the message says what was looked for, and where.
    """
    path = Path(name)
    if name and _exists(path):
        return _newest(path, name) if path.is_dir() else Named(name, path)
    if name == LATEST:
        paths, runs, notes = _own(f"{name}: the newest run", results)
        return Named(name, runs[-1].path, f"the newest of {_runs(runs)} in {_listed(paths)}", notes)
    return _of_commit(name, results)


def default_paths(results: Path = RESULTS) -> list[Path]:
    """The user's own runs if there are any, else those of the machine with the newest reference run, which come with
    the project."""
    if not results.is_dir():
        raise RecordError(f"{results}: no such folder here; run from the checkout, or name stored runs")
    own = [p for p in sorted(results.iterdir()) if p.is_dir() and p.name != REFERENCE.name and any(p.rglob("*.json"))]
    return own or [_newest_reference(results)]


def _newest_reference(results: Path) -> Path:
    """The folder of the machine with the newest reference run; ``results`` if there is none."""
    folder = results / REFERENCE.name
    runs = index([folder]).runs if folder.is_dir() else ()
    return folder / runs[-1].path.relative_to(folder).parts[0] if runs else results


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _newest(folder: Path, name: str) -> Named:
    runs, notes = _stored([folder])
    return Named(name, runs[-1].path, f"the newest of {_runs(runs)} in this folder", notes)


def _own(wanted: str, results: Path) -> tuple[Sequence[Path], Sequence[RunRow], tuple[str, ...]]:
    """The default folders, their runs, oldest first, and notes; an error says what was wanted of them."""
    try:
        paths = default_paths(results)
        return paths, *_stored(paths)
    except RecordError as error:
        raise RecordError(f"{wanted} is looked for in {results}; {error}") from None


def _stored(paths: Sequence[Path]) -> tuple[Sequence[RunRow], tuple[str, ...]]:
    """The runs in these folders, oldest first, and notes on what could not be read."""
    history = index(paths)
    if not history.runs:
        raise RecordError(history.notes[0])
    return history.runs, history.notes


def _of_commit(name: str, results: Path) -> Named:
    commit = _commit_or_beginning(name)
    paths, runs, notes = _own(f"{name!r}: is not a file or folder, and a run of commit {commit[:SHOWN]}", results)
    of_commit = [run for run in runs if run.commit and run.commit.startswith(commit)]
    if not of_commit:
        raise RecordError(
            f"{name!r}: is not a file or folder, and none of the stored runs in {_listed(paths)} ({_runs(runs)}) is of "
            f"commit {commit[:SHOWN]}; measure it with `pytest benchmarks --benchmark-autosave`, or name a stored run"
        )
    if len({run.commit for run in of_commit}) > 1:
        raise RecordError(f"{name!r}: several commits of stored runs in {_listed(paths)} begin so; give more digits")
    newest = max(of_commit, key=lambda run: (run.dirty is False, run.started, run.run_id))
    changed = ", with uncommitted changes" if newest.dirty else ""
    return Named(name, newest.path, f"the newest of {_runs(of_commit)} of commit {commit[:SHOWN]}{changed}", notes)


def _commit_or_beginning(name: str) -> str:
    """The commit that git knows by this name; else the name, if it may be the beginning of a stored run's commit."""
    commit = full_commit(Path(), name)
    if commit is None and not _HASH.fullmatch(name):
        raise RecordError(
            f"{name!r}: is not a file or folder, and git knows no commit of this name here; name a stored run, a "
            f"folder of them, {LATEST!r} or a commit"
        )
    return commit or name.lower()


def _runs(runs: Sequence[RunRow]) -> str:
    return counted(len(runs), "run", "runs")


def _listed(paths: Sequence[Path]) -> str:
    """The folders, of which the first three are named."""
    more = [f"{len(paths) - 3} more"] if len(paths) > 3 else []
    return ", ".join([*map(str, paths[:3]), *more])
