"""The lines at the end of a sweep: what was not measured and why."""

from pathlib import Path

import pytest

from bench_core import workloads
from bench_core.execution.messages import closing
from bench_core.execution.options import parse
from bench_core.execution.session import BenchSession


def test_heavy_cases_are_listed_once_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.hardware.machine.usable_cpus", lambda: 2)
    session = BenchSession(parse({"device": "cpu", "workload": "dcgan64_step,gemm"}, Path()))
    for family in ("gan", "gemm"):
        session.selection.cases_of(family)
    (line,) = closing(session)
    workload = workloads.get("dcgan64_step")
    # All batches, on all cores and on one thread, but for the first on all cores.
    count = 2 * len(workload.batch_sizes("cpu", "full")) - 1
    assert line == f"skipped: too heavy by default; measured with --bench-sweep full: dcgan64_step ({count} cases)"
