"""Measures a case in a process of its own: a crash or a hang there is the failure of one case."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import torch

from bench_core.core import errors
from bench_core.core.case import NO_SOURCES, Case, Effort, Sources
from bench_core.core.errors import CaseError, CaseProcessError
from bench_core.core.records import Record
from bench_core.core.results import Measurement
from bench_core.core.schema import as_dataclass
from bench_core.execution import worker
from bench_core.execution.endings import ending
from bench_core.execution.skips import causes
from bench_core.execution.worker import PATIENCE, Failure, Reply, Task, find_workload
from bench_core.storage.files import decode_record
from bench_core.workloads.kit.definition import Workload

TIMEOUT = "--bench-timeout"
GRACE = 2.0
"""Seconds that processes have to end themselves before they are killed."""
SHOWN_LINES, SHOWN_BYTES = 20, 2**16
"""How much of the end of a process's standard error is kept."""
PACKAGE_ROOT = Path(__file__).parents[2]


def run_isolated(
    workload: Workload,
    case: Case,
    effort: Effort,
    sources: Sources = NO_SOURCES,
    timeout: float | None = None,
    patience: float = PATIENCE,
) -> tuple[Measurement, Record]:
    """Build, check and measure a case as ``runner.run_case`` does, in a process of its own.

    A case over ranks is measured by further processes, of which none waits ``patience`` seconds for another.

    The process may take ``timeout`` seconds, its start included (``None``: as long as it needs). It and all that it
    started have ended on return. Raises what ``run_case`` raises; other errors of the case, a crash, and a process that
    did not end in time are a ``CaseProcessError``. Raises ``CaseError`` for a workload that only this process has.
    """
    task = Task(module_of(workload), case, effort, _text(sources.data), _text(sources.weights), patience)
    with tempfile.TemporaryDirectory(prefix="bench-core-") as folder:
        reply, stderr = Path(folder) / "reply.json", Path(folder) / "stderr.txt"
        with stderr.open("wb") as sink:
            process = _start(task, reply, sink)
            in_time = _wait(process, timeout)
        written = _tail(stderr)
        if reply.exists():
            sys.stderr.write(written)
            return read_reply(reply)
    lines = [line for line in written.splitlines() if line.strip()][-SHOWN_LINES:]
    reason = ending(process.returncode, lines) if in_time else f"did not end within {timeout:g} s ({TIMEOUT})"
    raise CaseProcessError("\n".join((reason, *lines)))


def read_reply(path: Path) -> tuple[Measurement, Record]:
    """The result in the file of a reply.

    Raises the error that the reply reports, and ``CaseProcessError`` for a file that holds neither.
    """
    try:
        reply, _ = as_dataclass(Reply, json.loads(path.read_text(encoding="utf-8")))
        if reply.failure is None:
            if reply.measurement is None:
                raise ValueError("measurement: is missing")
            return reply.measurement, decode_record(reply.record, "record")
    except (ValueError, RecursionError) as error:
        raise CaseProcessError(f"its process gave back what is not a result ({error})") from None
    raise _error_of(reply.failure)


def module_of(workload: Workload) -> str:
    """The module in which another process finds a workload. Raises ``CaseError`` if there is none."""
    module = workload.build.__module__
    if module == "__main__" or find_workload(module, workload.name) is not workload:
        raise CaseError(f"workload {workload.name}: to be measured in a process of its own, it must be in a module")
    return module


def breaks_accelerator(error: BaseException) -> bool:
    """Whether an error may leave the accelerator unusable for the rest of the process, as an illegal memory access
    does."""
    return any(isinstance(cause, torch.AcceleratorError) for cause in causes(error))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _start(task: Task, reply: Path, stderr: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the process of a task, in a process group of its own, and with the search path of this process."""
    paths = (str(Path(path).absolute()) for path in (*sys.path, str(PACKAGE_ROOT)))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", worker.__name__, str(reply)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        start_new_session=True,
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already: its exit code is the reason
        process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
    return process


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> bool:
    """Wait for the end of a process, and end what it left behind; whether it ended in time.

    A timer ends it, as ``process.wait(timeout)`` would wake up 20 times per second while the case is measured.
    """
    late = threading.Event()

    def expire() -> None:
        late.set()
        _end(process)

    timer = threading.Timer(threading.TIMEOUT_MAX if timeout is None else timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        process.wait()
    finally:  # after Ctrl-C too
        timer.cancel()
        timer.join()
        _end(process)
        assert process.stdin is not None
        process.stdin.close()
    return not late.is_set()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - SHOWN_BYTES))
        return file.read().decode(errors="replace")


def _error_of(failure: Failure) -> Exception:
    shared = getattr(errors, failure.kind, None)
    if isinstance(shared, type) and issubclass(shared, Exception):
        return shared(failure.message)
    return CaseProcessError(f"{failure.message}\n{failure.details}".rstrip())
