"""The lines at the end of a sweep: what was not measured and why."""

from pathlib import Path

from bench_core import workloads
from bench_core.execution.options import parse
from bench_core.execution.session import BenchSession


def test_heavy_cases_are_listed_once_with_the_reason() -> None:
    session = BenchSession(parse({"device": "cpu", "workload": "dcgan64_step,gemm"}, Path()))
    for family in ("gan", "gemm"):
        session.cases_of(family)
    (line,) = session.closing_lines()
    assert line.startswith("skipped: dcgan64_step in a full sweep (")
    assert "too heavy by default, measured with --bench-sweep full: " in line
    for batch in workloads.get("dcgan64_step").full_batches["cpu"]:
        assert f"cpu-b{batch}-fp32-eager" in line
