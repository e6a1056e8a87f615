"""A server of Python processes in which the libraries are loaded already: ``processes.python`` asks it for them.

It loads them at the first request and forks a process for each, as loading them takes seconds and forking does not. Of
the project itself it loads nothing, so each process does that by itself. It runs no operator, and so has no threads of
OpenMP, which would not survive a fork. It ends with the process that holds the other end of its standard input.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import shutil
import socket
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

LIBRARIES = (
    *("pytest", "pytest_benchmark.plugin", "rich.progress", "typer", "filelock", "msgspec", "psutil", "pynvml"),
    *("torch", "torch._dynamo", "torchvision", "torch.utils.flop_counter"),
    *("pandas", "matplotlib.pyplot", "sklearn.datasets", "scipy.stats", "jinja2"),
)


def serve(listener: socket.socket) -> dict[str, Any] | None:
    """Serve until standard input is closed. In each process that was asked for, return the request.

    The reply to a request is the id of its process, and its exit code when it has ended, a line each.
    """
    running: dict[int, tuple[int, socket.socket]] = {}
    while sys.stdin not in (ready := select.select([listener, sys.stdin, *running], [], [])[0]):
        for ended in running.keys() & set(ready):
            process, connection = running.pop(ended)
            os.close(ended)
            with connection:
                _tell(connection, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        if listener in ready:
            _load()
            connection, _ = listener.accept()
            with connection.makefile(encoding="utf-8") as stream:
                request: dict[str, Any] = json.loads(stream.readline())
            process = os.fork()
            if process == 0:
                atexit.unregister(shutil.rmtree)  # of matplotlib's folder, which is the server's and all processes use
                return request
            running[os.pidfd_open(process)] = process, connection
            _tell(connection, process)
    return None


@cache
def _load() -> None:
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            import_module(name)
    describe_cpu_once()()
    gc.freeze()  # else each process copies the memory at its first collection


@cache
def describe_cpu_once() -> Callable[[], Any]:
    """From now on, describe the CPU once for all runs that pytest-benchmark stores: it takes four processes."""
    cpuinfo: Any = import_module("cpuinfo")  # pytest-benchmark's own
    cpuinfo.get_cpu_info = cache(cpuinfo.get_cpu_info)
    return cpuinfo.get_cpu_info


def _tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # whoever asked waits no longer
        connection.sendall(f"{number}\n".encode())


def become(arguments: list[str], cwd: str, environ: dict[str, str], output: str, errors: str) -> None:
    """Go on as ``python ARGUMENTS`` in this folder and environment. Arguments begin with ``-m`` or ``-c``."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    _redirect(output, errors, _encoding(environ))
    how, what, *sys.argv = arguments
    sys.argv.insert(0, how)
    paths = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:0] = [cwd if how == "-m" else "", *paths]
    main = sys.modules["__main__"] = ModuleType("__main__")
    try:
        if how == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), main.__dict__)
    except SystemExit as end:
        _exit(end.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        _exit(1)
    _exit(None)


def _encoding(environ: dict[str, str]) -> str:
    if "PYTHONIOENCODING" in environ:
        return environ["PYTHONIOENCODING"]
    return "utf-8" if environ.get("PYTHONUTF8") == "1" else sys.stdout.encoding


def _exit(code: int | str | None) -> None:
    """End without deleting every module, which takes most of a second."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):  # closed already
            stream.flush()
    os._exit(int(code or 0) if not isinstance(code, str) else 1)


def _redirect(output: str, errors: str, encoding: str) -> None:
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY), (2, errors, os.O_WRONLY)):
        file = os.open(path, flags)
        os.dup2(file, number)
        os.close(file)

    def text(number: int, mode: str, handling: str) -> Any:
        return open(number, mode, encoding=encoding, errors=handling, closefd=False)

    sys.stdin = sys.__stdin__ = text(0, "r", "strict")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = text(1, "w", "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = text(2, "w", "backslashreplace")  # type: ignore[misc]


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file
    if request := serve(socket.socket(fileno=int(sys.argv[1]))):
        become(**request)
    _exit(0)
