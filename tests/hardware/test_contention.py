"""Contention: warnings about other work on the CPUs."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench_core.core.records import CONTENDED
from bench_core.core.results import Contention, FlagCode
from bench_core.hardware import contention, doctor
from bench_core.hardware.contention import ContentionWatch, contention_flags, disturbance
from tests.support.counters import Counters

ROOT = Path(__file__).parents[2]
CALM = Contention(seconds=1.0, involuntary_switches=10, stolen=0.0, load_before=0.1)
BUSY = Contention(seconds=1.0, involuntary_switches=900, stolen=0.2, load_before=3.0)


def test_a_calm_machine_has_no_warnings() -> None:
    assert contention_flags(CALM, threads=2, cpus=2) == ()


def test_warnings_distinguish_other_work_from_stolen_time() -> None:
    other, stolen = contention_flags(BUSY, threads=2, cpus=2)
    assert other.code == FlagCode.CONTENTION
    assert "900 times a second" in other.text
    assert stolen.code == FlagCode.STOLEN_TIME
    assert "20%" in stolen.text


def test_warnings_distinguish_other_work_from_too_many_threads_of_our_own() -> None:
    threads, _ = contention_flags(BUSY, threads=8, cpus=2)
    assert threads.code == FlagCode.TOO_MANY_THREADS
    assert threads.text.startswith("more threads (8) than usable cores (2)")


def test_threads_that_wait_for_a_cpu_are_contention_though_they_are_rarely_interrupted() -> None:
    waiting = Contention(seconds=2.0, involuntary_switches=10, stolen=0.0, load_before=3.0, delay=1.5)
    (flag,) = contention_flags(waiting, threads=1, cpus=2)
    assert flag.code == FlagCode.CONTENTION
    assert "75% of the time" in flag.text
    assert contention_flags(waiting, threads=16, cpus=16) == ()


def test_threads_that_wait_for_each_other_are_no_contention() -> None:
    own = Contention(seconds=2.0, involuntary_switches=900, stolen=0.0, load_before=3.0, delay=1.5, other_cores=0.05)
    (flag,) = contention_flags(own, threads=2, cpus=2)
    assert flag.code == FlagCode.OWN_THREADS
    assert flag.code not in CONTENDED
    (other,) = contention_flags(replace(own, other_cores=0.9), threads=2, cpus=2)
    assert other.code == FlagCode.CONTENTION


@pytest.fixture
def neighbor() -> Iterator[int]:
    """A busy process that is not a child of this one."""
    command = f"{shlex.quote(sys.executable)} -c 'print(flush=True)\nwhile True: pass' & echo $!"
    with subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout
        pid = int("".join(shell.stdout.readline() for _ in range(2)))
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGKILL)


def test_the_watch_sees_this_process_wait_for_a_cpu(neighbor: int) -> None:
    if not Path("/proc/self/schedstat").exists() or not hasattr(os, "sched_setaffinity"):
        pytest.skip("this kernel does not report how long threads wait for a CPU")
    allowed = os.sched_getaffinity(0)
    one = {min(allowed)}
    os.sched_setaffinity(neighbor, one)
    os.sched_setaffinity(0, one)
    try:
        watch = ContentionWatch()
        end = time.perf_counter() + 0.5
        while time.perf_counter() < end:
            pass
        contention = watch.read()
    finally:
        os.sched_setaffinity(0, allowed)
    assert contention.delay
    assert contention.other_cores
    assert contention.other_cores > 0.2
    assert contention_flags(contention, threads=1, cpus=1)[0].code == FlagCode.CONTENTION


def test_disturbance_grows_with_each_counter() -> None:
    calm = disturbance(CALM, threads=2)
    for change in ({"involuntary_switches": 11}, {"stolen": 0.001}, {"delay": 0.01}):
        assert disturbance(replace(CALM, **change), threads=2) > calm


def test_a_watch_says_whether_other_work_took_the_cpu(counters: Counters) -> None:
    counters(10**6)
    assert ContentionWatch().contended(threads=1)
    counters(0)
    assert not ContentionWatch().contended(threads=1)


def test_too_many_threads_of_our_own_are_not_other_work(counters: Counters) -> None:
    counters(10**6)
    assert not ContentionWatch().contended(threads=10_000)


def test_a_system_that_counts_no_switches_has_no_rate_and_no_warning_about_them() -> None:
    (stolen,) = contention_flags(replace(BUSY, involuntary_switches=None), threads=2, cpus=2)
    assert stolen.code == FlagCode.STOLEN_TIME
    assert replace(BUSY, involuntary_switches=None).switch_rate is None


def test_doctor_says_that_switches_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contention, "_involuntary_switches", lambda: None)
    assert [check.value for check in doctor.examine() if "switches" in check.what] == ["not counted by this system"]


def test_without_the_module_resource_switches_are_not_counted() -> None:
    code = """
import sys, psutil
sys.modules["resource"], sys.platform = None, "win32"
from bench_core.hardware.contention import ContentionWatch
print(ContentionWatch().read().involuntary_switches)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "None"
