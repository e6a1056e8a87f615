"""Processes for studies that count the first use of a device: forks of a process that has only imported libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from bench_core.core.errors import CaseSkipped
from bench_core.core.schema import as_dataclass
from bench_core.core.studies import StudyRow

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound=StudyRow)


def rows_of(kind: type[Row], what: str, module: str, arguments: Sequence[str], time_limit: float) -> tuple[Row, ...]:
    """The rows that ``python -m module`` prints, each a line of JSON; ``what`` names the study in errors.

    Raises ``CaseSkipped`` where processes cannot be forked, and ``RuntimeError`` with the last line that the process
    printed, if it fails. It may take ``time_limit`` seconds.
    """
    if "fork" not in get_all_start_methods():
        raise CaseSkipped(f"{what} starts in forks of a process that has imported torch; this system cannot fork")
    # If bench-core is not installed, the subprocess finds this package only with the checkout on its path.
    paths = (str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", ""))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=time_limit)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(f"{what} failed: {last}")
    return tuple(as_dataclass(kind, json.loads(line))[0] for line in done.stdout.splitlines() if line[:1] == "{")


def forked(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` returns in a fork of this process, which must not have used the device."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as fresh:
        return fresh.submit(work, *args, **kwargs).result()
