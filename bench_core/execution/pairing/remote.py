"""The parent's side of a worker: starts it, asks it, and stops it whenever it has answered."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_core.core.errors import CaseProcessError, GateError
from bench_core.core.schema import as_dataclass
from bench_core.execution.pairing.guard import Guard
from bench_core.execution.pairing.protocol import VARIABLE, VERSION, Channel, Hello, Link, Message, ProtocolError
from bench_core.execution.pairing.sides import Side
from bench_core.hardware import waiting

START = 300.0
"""Seconds that a worker may take to start and to collect its tests."""
GRACE = 5.0
"""Seconds until a worker that closed its pipes has ended, so that its exit code is known."""
SHOWN = 2**14
"""Bytes of the end of a worker's output in which the reason of its end is looked for."""


class Remote:
    """A worker: a run of pytest in its side's folder. It is stopped (SIGSTOP) except while it is asked something."""

    def __init__(self, side: Side, arguments: Sequence[str], log: Path, guard: Guard) -> None:
        self.side, self._log, self._guard = side, log, guard
        worker_reads, writes = os.pipe()
        reads, worker_writes = os.pipe()
        avoid, origin = (None if folder is None else str(folder) for folder in (side.avoid, side.repository))
        link = Link(worker_reads, worker_writes, avoid, origin)
        with log.open("wb") as sink:
            self._process = _started(
                [side.python, "-m", "pytest", *_temporary(log), *arguments, *side.options],
                cwd=side.folder,
                env=_environment(side, link),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                pass_fds=(worker_reads, worker_writes),
                start_new_session=True,
            )
        guard.add(self._process.pid)
        os.close(worker_reads)
        os.close(worker_writes)
        self._channel = Channel(reads, writes)

    def hello(self) -> Hello:
        """Wait until the tests are collected.

        Raises ``CaseProcessError`` if the worker ends first, or speaks another version.
        """
        try:
            message = self._receive(START)
        except CaseProcessError:
            if self._process.poll() == 0:
                raise CaseProcessError("bench-core's plugin did not answer; install it there, with the gate") from None
            raise
        version = message.get("hello")
        if version != VERSION:
            raise CaseProcessError(f"its bench-core speaks version {version} of the gate, not {VERSION}")
        self._signal(signal.SIGSTOP)
        try:
            return as_dataclass(Hello, message)[0]
        except ValueError as error:
            raise CaseProcessError(f"it sent what is not a greeting ({error})") from None

    def ask(self, message: Message, timeout: float) -> dict[str, Any]:
        """Let the worker run until it has answered.

        Raises ``CaseProcessError`` if it does not answer within ``timeout`` seconds, ends, or answers garbage.
        """
        self._signal(signal.SIGCONT)
        try:
            self._channel.send(message)
        except ProtocolError as error:
            raise CaseProcessError(f"{error}{self._last_line()}") from None
        reply = self._receive(timeout)
        self._signal(signal.SIGSTOP)
        return reply

    def _receive(self, timeout: float) -> dict[str, Any]:
        try:
            return self._channel.receive(timeout)
        except TimeoutError:
            raise CaseProcessError(f"did not answer within {timeout:g} s") from None
        except ProtocolError as error:
            raise CaseProcessError(f"{error}{self._last_line()}") from None

    def end(self) -> None:
        """End the worker and all that it started, at once: each test has been torn down, and nothing is stored."""
        self._channel.close()
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._guard.forget(self._process.pid)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
            os.killpg(self._process.pid, number)

    def _last_line(self) -> str:
        """How the process ended, and the last line that it wrote."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        code = self._process.returncode
        how = f" ({signal.Signals(-code).name})" if code is not None and code < 0 else f" (exit code {code})"
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - SHOWN))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("E ", "ERROR", "Fatal"))]
        shown = (errors or lines)[-1:]
        return f"{how}: {shown[0][:200]}" if shown else how


def _started(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, **options)
    except OSError as error:
        raise GateError(f"{command[0]}: cannot be run ({error.strerror}); name a Python interpreter") from None


def _temporary(log: Path) -> tuple[str, ...]:
    """Options by which pytest keeps its temporary files next to the log, as a worker that is killed deletes none."""
    return "-o", f"cache_dir={log.with_suffix('.cache')}", f"--basetemp={log.with_suffix('.tmp')}"


def _environment(side: Side, link: Link) -> dict[str, str]:
    """The environment of a worker.

    Its side's code comes before what is installed of the same name. Threads that wait give their core up, unless the
    user chose otherwise: where they spin, other work makes the figures of a pair differ by tens of percent.
    """
    folders = [str(folder) for folder in (side.folder, side.folder / "src") if folder.is_dir()]
    paths = os.pathsep.join(filter(None, (*folders, os.environ.get("PYTHONPATH", ""))))
    own = {"PYTHONPATH": paths, VARIABLE: link.encode()}
    return os.environ | (waiting.PASSIVE if waiting.policy() == waiting.DEFAULT else {}) | own
