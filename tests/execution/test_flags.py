"""The warnings about a case."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench_core.core.case import Case
from bench_core.core.results import Contention, FlagCode
from bench_core.execution import flags
from bench_core.hardware import waiting

BUSY = Contention(seconds=1.0, involuntary_switches=900, stolen=0.0, load_before=3.0)
QUIET = replace(BUSY, involuntary_switches=3)


def flags_of(contention: Contention, median: float = 1e-6, calls: int = 1) -> dict[str, str]:
    measurement: Any = SimpleNamespace(flags=(), samples=(median,), median=median, inner_calls=calls)
    return {flag.code: flag.text for flag in flags.flags_of(Case("gemm"), measurement, contention, None, None)}


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(flags, "usable_cpus", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    for name in waiting.CHOICES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("two_cores")
def test_an_interval_of_blocks_that_were_all_interrupted_is_recognized():
    assert FlagCode.INTERRUPTED not in flags_of(BUSY, median=1e-4)
    assert "about 14 times" in flags_of(BUSY, median=0.016)[FlagCode.INTERRUPTED]
    assert "about 14 times" in flags_of(BUSY, median=0.0016, calls=10)[FlagCode.INTERRUPTED]
    assert flags_of(QUIET, median=1.0) == {}


@pytest.mark.usefixtures("two_cores")
def test_a_contended_case_says_what_limits_the_harm_unless_that_was_done(monkeypatch):
    assert "OMP_WAIT_POLICY=passive" in flags_of(BUSY)[FlagCode.CONTENTION]
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert "OMP_WAIT_POLICY" not in flags_of(BUSY)[FlagCode.CONTENTION]


@pytest.mark.usefixtures("two_cores")
def test_one_thread_waits_for_nobody(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert "OMP_WAIT_POLICY" not in flags_of(BUSY)[FlagCode.CONTENTION]
