"""Runs a command in a terminal of a given width, or without one, with its output in a file."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

TIMED_OUT = 124
"""The exit code of a command that took too long; that of coreutils' ``timeout``."""


def run(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], log: Path, columns: int | None, limit: float
) -> int:
    """Run a command, append its output to ``log`` and return its exit code; ``TIMED_OUT`` after ``limit`` seconds.

    With ``columns`` its input and output are a terminal of that width. Nothing that it started in its process group
    outlives this call.
    """
    with log.open("ab") as file:
        file.write(f"\n$ {' '.join(command)}\n".encode())
        file.flush()
        if columns is None:
            return _without_terminal(command, cwd, environment, file, limit)
        return _in_terminal(command, cwd, environment, file, columns, limit)


def _without_terminal(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], file: BinaryIO, limit: float
) -> int:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=file,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with _ended(process):
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return TIMED_OUT


def _in_terminal(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], file: BinaryIO, columns: int, limit: float
) -> int:
    import pty  # there is none on Windows
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        with _ended(process):
            if not _copied(ours, file, time.monotonic() + limit):
                return TIMED_OUT
            return process.wait()
    finally:
        os.close(ours)


def _copied(terminal: int, file: BinaryIO, end: float) -> bool:
    """Copy what is written to a terminal until all its writers have closed it; whether that was before ``end``."""
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # Linux reports the end of a terminal as an error
                return True
            if not data:
                return True
            file.write(data)
            file.flush()
    return False


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process with its group when the block is left, by an interrupt too."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
