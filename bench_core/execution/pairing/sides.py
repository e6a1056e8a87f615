"""The two sides of a gate: a folder of code, a Python, and options of pytest; git revisions are checked out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench_core.core.errors import OptionError, StorageError
from bench_core.storage.folder import full_commit

PREFIX = "bench-core-gate-"
OF_A_HOOK = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE")
"""Variables by which git, where it starts a hook, directs its commands to the user's own files."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: its name (base or head), what it is, the folder in which pytest is started, the
    interpreter, its own options of pytest, the folder from which none of its code may come, and the repository of which
    no installed copy may be loaded."""

    name: str
    title: str
    folder: Path
    python: str
    options: tuple[str, ...] = ()
    avoid: Path | None = None
    repository: Path | None = None


def repository(folder: Path) -> Path:
    """The top of the repository that a folder is in. Raises ``OptionError`` if it is in none."""
    return Path(_git(folder, "rev-parse", "--show-toplevel", error=f"{folder}: not in a git repository"))


def commit(folder: Path, revision: str) -> str:
    """The commit of a revision. Raises ``OptionError`` if there is none."""
    found = full_commit(folder, revision)
    if found is None:
        raise OptionError(
            f"no revision {revision!r} in this repository; fetch it first (in CI: a checkout with full history)"
        )
    return found


@contextlib.contextmanager
def checked_out(top: Path, commits: dict[str, str]) -> Iterator[dict[str, Path]]:
    """Folders with the files of these commits, by name: worktrees, which are removed afterwards.

    What a killed gate left behind is removed first. Without commits nothing is done, and no repository is needed.
    Raises ``StorageError`` if they cannot be made.
    """
    if not commits:
        yield {}
        return
    prune(top)
    parent = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    with FileLock(_lock(parent)):
        try:
            for name, revision in commits.items():
                _git(top, "worktree", "add", "--quiet", "--detach", str(parent / name), revision, error=None)
            yield {name: parent / name for name in commits}
        finally:
            _remove(top, parent)


def prune(top: Path) -> None:
    """Remove the worktrees of gates that were killed."""
    lines = _git(top, "worktree", "list", "--porcelain", error=None).splitlines()
    worktrees = [Path(line.removeprefix("worktree ")) for line in lines if line.startswith("worktree ")]
    for parent in {path.parent for path in worktrees if path.parent.name.startswith(PREFIX)}:
        with contextlib.suppress(Timeout, OSError), FileLock(_lock(parent), timeout=0):
            _remove(top, parent)


def _lock(parent: Path) -> Path:
    return parent.with_name(f"{parent.name}.lock")


def _remove(top: Path, parent: Path) -> None:
    for path in parent.iterdir() if parent.is_dir() else ():
        with contextlib.suppress(StorageError):
            _git(top, "worktree", "remove", "--force", str(path), error=None)
    shutil.rmtree(parent, ignore_errors=True)
    _lock(parent).unlink(missing_ok=True)


def _git(folder: Path, *arguments: str, error: str | None) -> str:
    """What git prints. Raises ``OptionError`` with this error, or without one ``StorageError`` with git's."""
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *arguments]
    environ = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environ)
    except OSError as problem:
        raise OptionError(f"git cannot be run ({problem.strerror}); install it") from None
    if run.returncode:
        reason = " ".join(run.stderr.split())
        if error:
            raise OptionError(f"{error} ({reason})")
        raise StorageError(f"git {arguments[0]} failed: {reason}")
    return run.stdout.strip()
