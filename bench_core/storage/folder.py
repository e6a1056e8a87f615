"""The folder of stored runs: checked before the sweep and locked during the save; and commits of the checkout."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from bench_core.core.errors import StorageError


def check_writable(folder: Path, option: str) -> None:
    """Create a folder and raise ``StorageError`` if no file can be written to it: before the sweep, not after it.

    A folder that does not exist yet is created; ``option`` is the option that names another one.
    """
    reason = _why_not_writable(folder)
    if reason:
        raise StorageError(f"{folder}: stored runs cannot be written there ({reason}); name another with {option}")


def _why_not_writable(folder: Path) -> str | None:
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir():
            return f"{existing} is a file"
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return error.strerror or "cannot be written"
    return None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which one process at a time can: pytest-benchmark numbers its files as if it were alone."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def commit_of(root: Path) -> tuple[str | None, bool | None]:
    """The commit checked out in a folder, and whether tracked files differ from it; ``None`` where git cannot tell."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


def full_commit(root: Path, name: str) -> str | None:
    """The commit that git knows in a folder by this name: a hash or its beginning, a tag, a branch, ``HEAD~1``.

    ``None`` where it knows none, there is no repository, or no git.
    """
    return _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}") or None


@dataclass(frozen=True)
class Commit:
    """A commit: its hash, when its author wrote it (ISO 8601), and its subject."""

    hexsha: str
    written: str
    subject: str


def commits_after(root: Path, old: str, new: str) -> tuple[Commit, ...] | None:
    """The commits after ``old`` up to ``new``, oldest first, along first parents: ``git rev-list --first-parent``.

    So a merge counts as one commit of the branch that it was merged into. ``None`` if ``old`` is no ancestor of
    ``new``, or git cannot tell.
    """
    if _git(root, "merge-base", "--is-ancestor", old, new) is None:
        return None
    listed = _git(root, "rev-list", "--first-parent", "--reverse", "--format=%aI %s", f"{old}..{new}", "--")
    if listed is None:
        return None
    lines = listed.split("\n")
    return tuple(_commit(*pair) for pair in zip(lines[::2], lines[1::2], strict=False))


def _commit(header: str, facts: str) -> Commit:
    """A commit from the two lines of ``git rev-list --format='%aI %s'``."""
    written, _, subject = facts.partition(" ")
    return Commit(header.removeprefix("commit "), written, subject)


def changes_of(root: Path) -> str | None:
    """Identifies what differs in tracked files from the commit checked out in a folder; ``None`` if git cannot tell."""
    changes = _git(root, "diff", "--binary", "HEAD")
    return None if changes is None else hashlib.sha256(changes.encode(errors="replace")).hexdigest()[:12]


def _git(root: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(root), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip()
