"""Sweeps of short cases in processes that can be killed at any moment.

A server imports torch once and forks a process for each sweep, so that a sweep takes a second and not ten.
"""

import gc
import json
import os
import random
import select
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_core.storage.files import load_all
from bench_core.storage.journal import journals
from bench_core.storage.recovery import find_journals, recover

ROOT = Path(__file__).resolve().parents[2]
SWEEP = """
import os
import signal

import pytest

@pytest.mark.parametrize("number", range({cases}))
def test_short(device_benchmark, number):
    device_benchmark(lambda: sum(range(100 + number)))
    with open({finished!r}, "a") as file:
        file.write(f"{{number}}\\n")
    if os.path.exists({stop!r}):
        os.remove({stop!r})
        os.kill(os.getpid(), signal.SIGTERM)
"""
OPTIONS = (
    "-p", "bench_core.plugin", "-p", "no:cacheprovider", "-q", "--benchmark-autosave",
    "--bench-device=cpu", "--bench-max-time=0.005",
)  # fmt: skip


class Sweeper:
    """Runs sweeps in a folder, each in a process of its own. ``finished`` names the cases that ended. A sweep that
    finds the file ``stop`` deletes it after its next case, and sends itself SIGTERM."""

    def __init__(self, folder: Path, cases: int) -> None:
        self.folder, self.cases = folder, cases
        self.finished, self.stop = folder / "finished", folder / "stop"
        folder.mkdir(parents=True, exist_ok=True)
        sweep = SWEEP.format(cases=cases, finished=str(self.finished), stop=str(self.stop))
        (folder / "test_sweep.py").write_text(sweep)
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def start(self, *options: str) -> int:
        """Start a sweep, and return the id of its process."""
        return self._asked([str(self.folder), [*OPTIONS, *options]])

    def ended(self, pid: int) -> int:
        """Wait for the end of a sweep: its exit code, negative for a signal."""
        return self._asked(pid)

    def ends_within(self, pid: int, seconds: float) -> bool:
        """Whether a sweep ends in this time."""
        process = os.pidfd_open(pid)
        try:
            return bool(select.select([process], [], [], seconds)[0])
        finally:
            os.close(process)

    def _asked(self, request: Any) -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        return int(self._server.stdout.readline())

    def output(self) -> str:
        """What the sweeps have printed."""
        return (self.folder / "output").read_text()

    def forget(self) -> None:
        """Delete all runs."""
        shutil.rmtree(self.folder / ".benchmarks", ignore_errors=True)
        self.finished.unlink(missing_ok=True)

    def close(self) -> None:
        """End the server."""
        self._server.communicate()


def kill_while_it_sweeps(sweeper: Sweeper, seconds: float) -> bool:
    """Start or continue a sweep and kill it after so many seconds; whether it was killed before it ended."""
    pid = sweeper.start(*(["--bench-resume"] if journals(sweeper.folder) else []))
    if not sweeper.ends_within(pid, seconds):
        os.kill(pid, 9)
    return sweeper.ended(pid) == -9


@dataclass
class Endured:
    """What sweeps endured: how often they were killed, how many cases had ended before a kill (those of every kill
    counted), how many of these were lost, how many sweeps went through to their end, and what was wrong with these."""

    kills: int = 0
    finished: int = 0
    lost: int = 0
    sweeps: int = 0
    wrong: list[str] = field(default_factory=list)


def endure(sweeper: Sweeper, seconds: float, kills: int, scratch: Path, seed: int) -> Endured:
    """Kill sweeps at random moments of ``seconds`` seconds and continue each until it ends, for so many kills."""
    draw, endured = random.Random(seed), Endured()
    while endured.kills < kills:
        killed = kill_while_it_sweeps(sweeper, draw.uniform(0.0, seconds))
        _check(sweeper, scratch, killed, endured)
    if sweeper.finished.exists():
        _check(sweeper, scratch, kill_while_it_sweeps(sweeper, 600.0), endured)
    return endured


def _check(sweeper: Sweeper, scratch: Path, killed: bool, endured: Endured) -> None:
    """After each kill look at what a recovery restores; after each end at what was stored, and forget it."""
    finished = {int(line) for line in sweeper.finished.read_text().split()} if sweeper.finished.exists() else set()
    if killed:
        endured.kills += 1
        endured.finished += len(finished)
        endured.lost += len(finished - _restored(sweeper, scratch))
    if killed and (journals(sweeper.folder) or not any(sweeper.folder.rglob("*.json"))):
        return  # else it was killed after it was saved
    runs = load_all([sweeper.folder])
    endured.sweeps += 1
    if [(len(run.records), run.info.partial) for run in runs] != [(sweeper.cases, False)] or journals(sweeper.folder):
        endured.wrong.append(sweeper.output()[-2000:])
    sweeper.forget()


def _restored(sweeper: Sweeper, scratch: Path) -> set[int]:
    """The cases that the report shows of a copy of the folder after a recovery."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(sweeper.folder, scratch)
    for journal in find_journals([scratch]):
        recover(journal)
    runs = load_all([scratch]) if any(scratch.rglob("*.json")) else []
    return {int(record.case.setting) for run in runs for record in run.records}


def at_once(sweeper: Sweeper, count: int) -> None:
    """Run several sweeps at the same time, and wait for all."""
    for pid in [sweeper.start() for _ in range(count)]:
        assert sweeper.ended(pid) == 0


def _serve() -> None:
    import bench_core.execution.fixture  # noqa: F401 - imports torch, once
    from bench_core import workloads

    workloads.names()  # imports them, once
    gc.freeze()  # else each sweep copies the libraries' objects when it looks for garbage
    for line in sys.stdin:
        request = json.loads(line)
        print(_wait_for(request) if isinstance(request, int) else _sweep(*request), flush=True)


def _wait_for(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _sweep(folder: str, options: list[str]) -> int:
    """Start a sweep, and return the id of its process."""
    import pytest

    child = os.fork()
    if child:
        return child
    os.chdir(folder)
    output = os.open("output", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    status = int(pytest.main(options))
    sys.stdout.flush()  # what os._exit would lose
    os._exit(status)


if __name__ == "__main__":
    _serve()
