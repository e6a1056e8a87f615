"""Which cases a sweep holds."""

from dataclasses import replace
from pathlib import Path

import factory
import pytest

from bench_core import workloads
from bench_core.core.case import Case
from bench_core.execution.options import parse
from bench_core.execution.session import BenchSession
from bench_core.workloads.kit.definition import Workload
from bench_core.workloads.kit.sweep import Sweep, candidates, too_heavy

SWEEP = Sweep(devices=("cpu",), usable_cpus=2)
HEAVY = Workload(
    name="w",
    family="f",
    kind="train",
    unit="image",
    source="",
    summary="",
    build=lambda ctx: None,
    batches={"cpu": (1, 8), "cuda": (1, 8, 128)},
    reference_batch=128,
    heavy=True,
    full_batches={"cpu": (128,)},
)


def ids(cases):
    return [case.id.removeprefix("w-cpu-").replace("-fp32-eager", "") for case in cases]


def test_a_full_sweep_holds_what_the_default_one_leaves_out():
    assert ids(candidates(HEAVY, SWEEP)) == ["b1", "b8"]
    assert ids(too_heavy(HEAVY, SWEEP)) == ["b1-t1", "b8-t1", "b128", "b128-t1"]
    full = replace(SWEEP, kind="full")
    assert set(candidates(HEAVY, full)) == {*candidates(HEAVY, SWEEP), *too_heavy(HEAVY, SWEEP)}
    assert too_heavy(HEAVY, full) == []


def test_what_is_asked_for_by_name_is_measured():
    asked = replace(SWEEP, batch_sizes=(128,), threads=(1,))
    assert ids(candidates(HEAVY, asked)) == ["b128-t1"]
    assert too_heavy(HEAVY, asked) == []


def test_light_work_leaves_nothing_out_for_its_weight():
    assert too_heavy(replace(HEAVY, heavy=False, full_batches={}), SWEEP) == []


def test_work_of_one_device_has_no_case_on_the_other():
    cpu_only = replace(
        HEAVY, batches={"cpu": (1,), "cuda": ()}, full_batches={}, settings=("a", "b"), reference_batch=1
    )
    both = replace(SWEEP, devices=("cpu", "cuda"))
    assert {case.device for case in candidates(cpu_only, both)} == {"cpu"}
    assert {case.device for case in candidates(cpu_only, replace(both, kind="full"))} == {"cpu"}


def test_batches_of_a_full_sweep_are_in_order():
    assert HEAVY.batch_sizes("cpu") == (1, 8)
    assert HEAVY.batch_sizes("cpu", "full") == (1, 8, 128)
    assert HEAVY.batch_sizes("cuda", "full") == (1, 8, 128)
    with pytest.raises(ValueError, match="no batches for device 'tpu'; there are: cpu, cuda"):
        HEAVY.batch_sizes("tpu")


def test_a_session_lists_what_is_too_heavy_once_and_why():
    session = BenchSession(parse({"device": "cpu", "workload": "dcgan64_step,gemm"}, Path()))
    for family in ("gan", "gemm"):
        session.cases_of(family)
    (line,) = session.closing_lines()
    assert line.startswith("skipped: dcgan64_step in a full sweep (")
    assert "too heavy by default, measured with --bench-sweep full: " in line
    for batch in workloads.get("dcgan64_step").full_batches["cpu"]:
        assert f"cpu-b{batch}-fp32-eager" in line


def test_warnings_of_cases_are_told_at_the_end_but_not_without_end():
    session = BenchSession(parse({"workload": "gemm", "device": "cpu"}, Path()))
    for i in range(13):
        session.note_record(factory.record(Case("gemm", batch_size=i + 1), flags=("not steady: still falling",)))
    lines = session.closing_lines()
    assert lines[0] == "warning: gemm-cpu-b1-fp32-eager: not steady: still falling"
    assert len(lines) == 11
    assert lines[-1].startswith("and 3 more")
