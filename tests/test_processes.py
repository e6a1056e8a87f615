"""The processes of ``tests.support.processes``: each is as one from the start of an interpreter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import python

LOOK = """
import json, os, sys

print(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "environ": dict(os.environ), "path": sys.path, "stdin": sys.stdin.read(),
    "own": [name for name in sys.modules if name.partition(".")[0] in ("bench_core", "tests")],
    "main": __name__, "threads": len(os.listdir("/proc/self/task")),
}))
print("a warning", file=sys.stderr)
sys.exit(3)
"""


def test_it_is_as_one_from_the_start_of_an_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    forked = python("-c", LOOK, "one", "two words", cwd=tmp_path)
    started = subprocess.run(
        [sys.executable, "-c", LOOK, "one", "two words"],
        cwd=tmp_path,
        env=os.environ,  # without what libraries set for the processes that they start
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(forked.stdout) == json.loads(started.stdout)
    assert (forked.returncode, forked.stderr) == (started.returncode, started.stderr) == (3, "a warning\n")


def test_libraries_are_loaded_and_each_call_has_a_process_of_its_own() -> None:
    code = "import os, sys; assert 'torch' in sys.modules; sys.modules.pop('json'); print(os.getpid())"
    assert len({python("-c", code).stdout for _ in range(2)} | {f"{os.getpid()}\n"}) == 3


@pytest.mark.parametrize(
    ("code", "exit_code", "last"),
    [
        ("raise KeyError('a bug')", 1, "KeyError: 'a bug'"),
        ("raise SystemExit('a reason')", 1, "a reason"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, None),
        ("import atexit; atexit.register(print, 'last')", 0, None),
    ],
)
def test_its_end_is_its_own(code: str, exit_code: int, last: str | None) -> None:
    ended = python("-c", code)
    assert ended.returncode == exit_code
    assert ended.stderr.splitlines()[-1:] == ([last] if last else [])
    assert ended.stdout == ("last\n" if "atexit" in code else "")


def test_a_variable_that_is_read_at_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with pytest.raises(ValueError, match=r"^OMP_NUM_THREADS: read at the start of a process"):
        python("-c", "")


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        python("-c", "import threading; threading.Event().wait()", timeout=0.2)
    assert python("-c", "print('another')").stdout == "another\n"
