"""Cases in processes of their own, of which some crash, hang or are left alone by a parent that was killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from bench_core import workloads
from bench_core.core.case import Case, Effort
from bench_core.core.errors import CaseError, CaseProcessError, CaseSkipped, ParityError
from bench_core.core.records import Outcome
from bench_core.execution.endings import ending
from bench_core.execution.isolation import breaks_accelerator, module_of, read_reply, run_isolated
from bench_core.execution.worker import Reply, Task, find_workload, reply_to
from bench_core.storage import files
from bench_core.workloads.kit.definition import Workload
from tests.support import planted
from tests.support.projects import run_pytest
from tests.support.threads import T1

ROOT = Path(__file__).parents[2]
QUICK = Effort(max_time=0.02)
PATIENCE = 120.0
"""Seconds after which a test fails that waits for something to happen in another process."""


def case(workload: Workload) -> Case:
    return Case(workload.name, threads=1)


def task(workload: Workload) -> Task:
    return Task(module_of(workload), case(workload), QUICK)


class Lifeline:
    """The reader of a FIFO that the processes of ``planted.hangs`` keep open as long as they live."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> bytes:
        """What was written to it; nothing if all that had it open have ended."""
        assert select.select([self._file], [], [], PATIENCE)[0], "nothing happened: the processes are still running"
        return os.read(self._file, 100)

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def lifeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lifeline]:
    path = tmp_path / "lifeline"
    monkeypatch.setenv(planted.LIFELINE, str(path))
    reader = Lifeline(path)
    yield reader
    reader.close()


def test_a_process_that_does_not_end_in_time_is_ended() -> None:
    with pytest.raises(CaseProcessError, match=r"^did not end within 0\.2 s \(--bench-timeout\)$"):
        run_isolated(planted.hangs, case(planted.hangs), QUICK, timeout=0.2)


def test_a_process_that_ends_without_a_result_is_a_failure_with_its_last_line() -> None:
    with pytest.raises(CaseProcessError) as caught:
        run_isolated(planted.exits, case(planted.exits), QUICK)
    first, *details = str(caught.value).splitlines()
    assert first == (
        "crashed: its process ended with exit code 5 and without a result; "
        "its last line of standard error: about to leave"
    )
    assert details[-1] == "about to leave"


def test_a_process_that_was_killed_is_said_to_be_so_whatever_its_last_line() -> None:
    killed = "killed (SIGKILL); the system does this when memory runs out"
    assert ending(-signal.SIGKILL, ["a warning of no importance"]) == killed


def test_ctrl_c_ends_the_process_and_what_it_started_though_they_ignore_sigterm(
    lifeline: Lifeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench_core.execution.isolation.GRACE", 0.1)
    main = threading.main_thread().ident
    assert main == threading.get_ident()
    seen = []

    def press_ctrl_c() -> None:
        seen.append(lifeline.read())
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=press_ctrl_c, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_isolated(planted.hangs, case(planted.hangs), QUICK)
    assert seen == [planted.HANGING]
    assert lifeline.read() == b""


PARENT = """
import subprocess, sys, threading
worker = subprocess.Popen(
    [sys.executable, "-m", "bench_core.execution.worker", sys.argv[1]], stdin=subprocess.PIPE, start_new_session=True
)
worker.stdin.write(sys.argv[2].encode() + b"\\n")
worker.stdin.flush()
threading.Event().wait()
"""


def test_a_process_whose_parent_is_killed_ends_with_what_it_started(tmp_path: Path, lifeline: Lifeline) -> None:
    described = json.dumps(asdict(task(planted.hangs)))
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "reply.json"), described], cwd=ROOT) as parent:
        try:
            assert lifeline.read() == planted.HANGING
        finally:
            parent.kill()
    assert lifeline.read() == b""
    assert not (tmp_path / "reply.json").exists()


def replied(folder: Path, reply: Reply) -> Path:
    path = folder / "reply.json"
    path.write_text(json.dumps(asdict(reply)))
    return path


@pytest.mark.parametrize(
    ("workload", "kind", "words"),
    [
        (planted.is_wrong, ParityError, "outputs: relative error 0.3 exceeds the fp32 tolerance 4e-06"),
        (planted.is_unsupported, CaseSkipped, "out of memory (MemoryError)"),
        (planted.has_a_bug, CaseProcessError, "ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_of_the_case_reads_as_in_this_process(
    tmp_path: Path, workload: Workload, kind: type[Exception], words: str
) -> None:
    try:
        read_reply(replied(tmp_path, reply_to(task(workload))))
    except Exception as error:
        raised = error
    assert type(raised) is kind
    assert str(raised).splitlines()[0] == words


def test_the_traceback_of_an_error_of_python_comes_with_it() -> None:
    failure = reply_to(task(planted.has_a_bug)).failure
    assert failure is not None
    assert 'raise ZeroDivisionError("division by zero")' in failure.details


def test_running_out_of_memory_is_a_skip() -> None:
    failure = reply_to(task(planted.runs_out_of_memory)).failure
    assert failure is not None
    assert failure.kind == "CaseSkipped"
    assert failure.message.startswith("out of memory (")


def test_a_result_is_the_same_in_the_parent(tmp_path: Path) -> None:
    reply = reply_to(Task(module_of(workloads.get("gemm")), Case("gemm", batch_size=8, threads=1), QUICK))
    measurement, record = read_reply(replied(tmp_path, reply))
    assert measurement == reply.measurement
    assert files.encode(record) == reply.record
    assert record.timing.median == measurement.median
    assert record.parity is not None


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"null",
        b"[1]",
        b"{}",
        b'{"record": {}}',
        b'{"record": null, "measurement": {"median": 1}}',
        b'{"failure": 1}',
        b'{"failure": {"kind": "ParityError"}}',
        b"[" * 100_000,
        b"\xff",
    ],
    ids=lambda garbage: garbage[:50].decode("latin1"),
)
def test_garbage_instead_of_a_result_is_a_failure(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "reply.json"
    path.write_bytes(garbage)
    with pytest.raises(CaseProcessError, match=r"^its process gave back what is not a result \("):
        read_reply(path)


def test_every_workload_of_the_suite_is_found_by_another_process() -> None:
    for name in workloads.names():
        workload = workloads.get(name)
        assert find_workload(module_of(workload), name) is workload


def test_a_workload_that_only_this_process_has_is_refused() -> None:
    changed = replace(planted.talks, summary="Another one of the same name.")
    with pytest.raises(CaseError, match=r"workload talks: .* must be in a module"):
        module_of(changed)


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), True),
        (torch.OutOfMemoryError("CUDA out of memory."), False),
        (RuntimeError("a bug"), False),
    ],
)
def test_errors_of_the_accelerator_break_it_for_this_process(error: Exception, broken: bool) -> None:
    assert breaks_accelerator(error) is broken
    wrapped = RuntimeError("while compiling")
    wrapped.__cause__ = error
    assert breaks_accelerator(wrapped) is broken


CONFTEST = """
import bench_core.workloads
from tests.support import planted
from tests.support.projects import run_pytest

bench_core.workloads.registry = lambda: planted.WORKLOADS
"""
SWEEP = """
import pytest

@pytest.mark.bench_family
def test_workload(case, device_benchmark):
    device_benchmark.case(case)
"""


def test_a_sweep_measures_the_rest_where_a_case_crashes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_planted=SWEEP)
    small = ("--bench-device", "cpu", "--bench-threads", "1", "--bench-max-time", "0.02")
    asked = ("--bench-workload", "segfaults,talks", "--bench-isolate", "--benchmark-autosave")
    result = run_pytest(pytester, "-p", "bench_core.plugin", *small, *asked)
    result.assert_outcomes(failed=1, passed=1)
    segmentation_fault = "crashed: segmentation fault (SIGSEGV)"
    result.stdout.fnmatch_lines(
        [
            f"[[]1/2[]] segfaults-cpu-b1-fp32-eager{T1} * failed: {segmentation_fault}*",
            f"[[]2/2[]] talks-cpu-b1-fp32-eager{T1} *s*",
            f"failed: {segmentation_fault}*: segfaults-cpu-b1-fp32-eager{T1}",
        ]
    )
    (path,) = pytester.path.rglob("*_*.json")
    run = files.load(path)
    assert [record.case.workload for record in run.records] == ["talks"]
    (crashed,) = (entry for entry in run.info.not_run if entry.outcome == Outcome.FAILED)
    assert crashed.what == f"segfaults-cpu-b1-fp32-eager{T1}"
    assert crashed.reason.startswith(segmentation_fault)  # a library may have written a last line
    assert run.info.options["--bench-isolate"] == "yes"
