"""Contention: warnings about other work on the CPUs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench_core.core.results import Contention, FlagCode
from bench_core.hardware import contention, doctor
from bench_core.hardware.contention import contention_flags

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
