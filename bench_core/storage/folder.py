"""The folder of stored runs: checked before the sweep and locked during the save; and the commit of the checkout."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from bench_core.core.errors import StorageError


def check_writable(folder: Path, option: str) -> None:
    """Raise ``StorageError`` if files cannot be made in a folder (or its first part that exists): before an hour of
    measuring, not after it. ``option`` is the one to name another place with."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    reason = None
    if not there.is_dir():
        reason = f"{there} is a file"
    elif not os.access(there, os.W_OK | os.X_OK):
        reason = "no permission"
    else:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            probe = folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            reason = error.strerror or "cannot be written"
    if reason:
        raise StorageError(f"{folder}: stored runs cannot be written there ({reason}); name another with {option}")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock: pytest-benchmark numbers its files without regard to other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def commit_of(root: Path) -> tuple[str | None, bool | None]:
    """The commit checked out in a folder, and whether files were changed since; ``None`` outside a git checkout."""
    found = _git(root, "rev-parse", "HEAD")
    if found is None:
        return None, None
    return found, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        run = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip()
