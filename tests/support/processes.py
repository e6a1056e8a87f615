"""Processes that do the same at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_at_once(code: str, arguments: Sequence[Sequence[str]]) -> None:
    """Run Python code in a process for each of these arguments; all must end with exit code 0.

    The code prints ``ready`` and reads a line from its standard input before it begins, so that all begin together.
    """
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([sys.executable, "-c", code, *own], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for own in arguments
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        errors = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(errors)
