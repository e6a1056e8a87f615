"""Processes that tests start: in which the libraries are loaded already, and several that do the same at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVER = "BENCH_CORE_TESTS_SERVER"
"""The environment variable with the folder of the server of ``forking.py``: its socket and its environment."""
AT_START = ("LD_", "OMP_", "GOMP_", "MKL_", "PYTHON", "CXX")
"""Environment variables that begin so are read when Python starts or torch is loaded."""
LATER = ("PYTHONPATH", "PYTHONUTF8", "PYTHONIOENCODING")
"""Exceptions, which the server obeys."""


@contextmanager
def server() -> Iterator[None]:
    """The server from which ``python`` gets its processes, for this process and those that it starts."""
    # In /tmp, as the path of a socket has to be short.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listener:
        if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):  # each process would compile torch anew: several seconds
            os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        Path(folder, "environ").write_text(json.dumps(environ))
        listener.bind(f"{folder}/socket")
        listener.listen()
        descriptor = listener.fileno()
        command = [sys.executable, str(Path(__file__).with_name("forking.py")), str(descriptor)]
        with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, pass_fds=[descriptor]):
            listener.close()  # so that nobody waits for a server that has ended
            os.environ[SERVER] = folder
            yield


def python(
    *arguments: str, cwd: Path = ROOT, environ: Mapping[str, str] | None = None, timeout: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """What ``python ARGUMENTS`` ends with and prints; the arguments begin with ``-m MODULE`` or ``-c CODE``.

    It is a process of its own. The libraries are loaded in it already, which saves seconds. So where the start of a
    process is what a test is about, ``subprocess.run`` is to be used: for what it imports, how it chooses before torch
    is loaded, entry points. Input is empty. Raises ``TimeoutExpired`` after so many seconds.
    """
    server = os.environ[SERVER]
    environ = dict(os.environ if environ is None else environ)
    started = json.loads(Path(server, "environ").read_text())
    if wrong := [name for name in environ if _at_start(name) and environ[name] != started.get(name)]:
        raise ValueError(f"{', '.join(wrong)}: read at the start of a process; take subprocess.run")
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as connection:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        output.touch()
        errors.touch()
        connection.settimeout(timeout)
        connection.connect(f"{server}/socket")
        request = {"arguments": arguments, "cwd": str(cwd), "environ": environ}
        code = _ended(connection, request | {"output": str(output), "errors": str(errors)}, timeout)
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in (output, errors)]
    return subprocess.CompletedProcess([sys.executable, *arguments], code, *texts)


def _at_start(name: str) -> bool:
    return name.startswith(AT_START) and name not in LATER


def _ended(connection: socket.socket, request: Mapping[str, object], timeout: float) -> int:
    with connection.makefile("rw", encoding="utf-8") as stream:
        print(json.dumps(request), file=stream, flush=True)
        process = None
        try:
            process = int(stream.readline())
            return int(stream.readline())
        except TimeoutError:
            if process:
                os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired([sys.executable], timeout) from None


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
