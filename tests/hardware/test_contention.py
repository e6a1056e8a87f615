"""Contention: warnings about other work on the CPUs."""

from bench_core.core.results import Contention, FlagCode
from bench_core.hardware.contention import contention_flags

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
