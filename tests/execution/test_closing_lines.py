"""The lines at the end of a sweep: what was not measured and why, and the warnings."""

from pathlib import Path

from bench_core import Case, workloads
from bench_core.core.results import Flag, FlagCode
from bench_core.execution.options import parse
from bench_core.execution.session import BenchSession
from tests.support import factory


def test_heavy_cases_are_listed_once_with_the_reason() -> None:
    session = BenchSession(parse({"device": "cpu", "workload": "dcgan64_step,gemm"}, Path()))
    for family in ("gan", "gemm"):
        session.cases_of(family)
    (line,) = session.closing_lines()
    assert line.startswith("skipped: dcgan64_step in a full sweep (")
    assert "too heavy by default, measured with --bench-sweep full: " in line
    for batch in workloads.get("dcgan64_step").full_batches["cpu"]:
        assert f"cpu-b{batch}-fp32-eager" in line


def test_warnings_are_listed_up_to_a_limit() -> None:
    session = BenchSession(parse({"workload": "gemm", "device": "cpu"}, Path()))
    flags = (Flag(FlagCode.NOT_STEADY, "not steady: still falling"),)
    for i in range(13):
        session.note_record(factory.record(Case("gemm", batch_size=i + 1), flags=flags))
    lines = session.closing_lines()
    assert lines[0] == "warning: gemm-cpu-b1-fp32-eager: not steady: still falling"
    assert len(lines) == 11
    assert lines[-1].startswith("and 3 more")
