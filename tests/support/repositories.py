"""Git repositories of the tests' own, whatever the user's configuration of git."""

from __future__ import annotations

import subprocess
from pathlib import Path

IDENTITY = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")


def git(top: Path, *arguments: str) -> str:
    """What a command of git prints in a folder. Raises ``CalledProcessError`` if it fails."""
    command = ["git", "-C", str(top), *IDENTITY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def committed(top: Path, message: str) -> str:
    """The hash of a commit of all files in a folder, which becomes a repository unless it is one."""
    git(top, "init", "--quiet")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "--message", message)
    return git(top, "rev-parse", "HEAD")
