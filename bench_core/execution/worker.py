"""The process of an isolated case: reads a task from standard input, measures it, writes a reply to a file.

A case over ranks is measured by further processes, which this one starts.

``python -m bench_core.execution.worker REPLY.json`` is started by ``execution.isolation``.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench_core.core import errors
from bench_core.core.cache import draft
from bench_core.core.case import Case, Effort, Sources
from bench_core.core.errors import CaseError
from bench_core.core.results import Measurement
from bench_core.core.schema import as_dataclass
from bench_core.execution.launching import Report, failed_first, launch
from bench_core.execution.runner import run_case
from bench_core.storage.files import encode
from bench_core.workloads.kit.definition import Workload

PATIENCE = 120.0
"""Seconds that a rank waits for another, by default."""
TRACEBACK = 5
"""How many calls of a traceback are given back, the innermost ones."""
STDIN = 0


@dataclass(frozen=True)
class Task:
    """A case to measure; ``module`` is the module that declares its workload, ``data`` and ``weights`` are
    the folders that the user brings. A rank waits for ``patience`` seconds for another."""

    module: str
    case: Case
    effort: Effort
    data: str | None = None
    weights: str | None = None
    patience: float = PATIENCE

    @property
    def sources(self) -> Sources:
        """What the user brings, with the folders as paths."""
        return Sources(*(None if folder is None else Path(folder) for folder in (self.data, self.weights)))


@dataclass(frozen=True)
class Failure:
    """An error as text; ``kind`` is the name of its class if ``core.errors`` has it, else empty. ``details`` are lines
    of its traceback. ``at`` is when it was raised, in seconds since the epoch, and ``waited`` says whether the process
    had then waited for another as long as it may; both are known of ranks only."""

    kind: str
    message: str
    details: str = ""
    at: float = 0.0
    waited: bool = False


@dataclass(frozen=True)
class Reply:
    """The result of a task: a record in its stored form and its measurement, or a failure."""

    record: dict[str, Any] | None = None
    measurement: Measurement | None = None
    failure: Failure | None = None


def reply_to(task: Task) -> Reply:
    """Measure the case of a task."""
    try:
        workload = find_workload(task.module, task.case.workload)
        measurement, record = run_case(workload, task.case, task.effort, task.sources)
        return Reply(encode(record), measurement)
    except Exception as error:
        return Reply(failure=failure_of(error))


def reply_of_ranks(task: Task, ranks: int, folder: Path) -> Reply:
    """Measure the case of a task on so many ranks, which write to a folder; what failed first is the case's failure."""
    task_file(folder).write_text(json.dumps(asdict(task)), encoding="utf-8")

    def replies_so_far() -> dict[int, Reply]:
        written = {rank: rank_file(folder, rank) for rank in range(ranks)}
        return {rank: _read(path) for rank, path in written.items() if path.exists()}

    exits = launch(folder, ranks, lambda: any(reply.failure for reply in replies_so_far().values()))
    replies = replies_so_far()
    if not exits and 0 in replies:
        return replies[0]
    failures = {rank: reply.failure for rank, reply in replies.items() if reply.failure}
    reports = {rank: Report(failure.at, failure.waited) for rank, failure in failures.items()}
    first = failed_first(ranks, exits, reports)
    return Reply(failure=Failure("", first) if isinstance(first, str) else failures[first])


def _read(path: Path) -> Reply:
    reply, _ = as_dataclass(Reply, json.loads(path.read_text(encoding="utf-8")))
    return reply


def task_file(folder: Path) -> Path:
    """Where the ranks of a task find it."""
    return folder / "task.json"


def rank_file(folder: Path, rank: int) -> Path:
    """Where a rank writes its reply."""
    return folder / f"rank{rank}.json"


def find_workload(module: str, name: str) -> Workload:
    """The workload of this name that a module has at its top level. Raises ``CaseError`` if there is none."""
    for value in vars(import_module(module)).values():
        if isinstance(value, Workload) and value.name == name:
            return value
    raise CaseError(f"workload {name}: module {module} does not have it at its top level, where a process can find it")


def failure_of(error: Exception) -> Failure:
    """What is to be known of an error in another process."""
    kind = type(error)
    if kind is getattr(errors, kind.__name__, None):
        return Failure(kind.__name__, str(error))
    message = "".join(traceback.format_exception_only(error)).strip()
    return Failure("", message, "".join(traceback.format_tb(error.__traceback__)[-TRACEBACK:]))


def main() -> None:
    """Reply to the task in the first line of standard input, which the parent keeps open as long as it lives."""
    (path,) = map(Path, sys.argv[1:])
    with os.fdopen(STDIN, "rb", buffering=0, closefd=False) as lines:
        task, _ = as_dataclass(Task, json.loads(lines.readline()))
    threading.Thread(target=end_with_parent, daemon=True).start()
    gc.freeze()  # else the case searches the libraries' objects for garbage, which takes half a second
    ranks = task.case.ranks
    reply = reply_to(task) if ranks is None else reply_of_ranks(task, ranks, path.parent)
    with draft(path) as unfinished:
        unfinished.write_text(json.dumps(asdict(reply), allow_nan=False), encoding="utf-8")


def end_with_parent() -> None:
    """End this process and all that it started once the parent is gone, even one that was killed.

    The read is the system's own: Python's buffer of standard input must not be in use when the interpreter ends.
    """
    while os.read(STDIN, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
