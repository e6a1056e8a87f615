"""Which cases a sweep has, and which it leaves to a full sweep."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from bench_core import Case, Workload, workloads
from bench_core.core.errors import CaseError
from bench_core.workloads.kit.sweep import Sweep, candidates, too_heavy

SWEEP = Sweep(devices=("cpu",), usable_cpus=2)
HEAVY = Workload(
    name="w",
    family="f",
    kind="train",
    unit="image",
    source="a test",
    summary="Work of a test.",
    build=lambda ctx: ctx.step(lambda: ctx.normal(1), units=1, flops=None, data=""),
    batches={"cpu": (1, 8), "cuda": (1, 8, 128)},
    reference_batch=128,
    heavy=True,
    full_batches={"cpu": (128,)},
)
LIGHT = replace(HEAVY, heavy=False, batches={"cpu": (1, 8), "cuda": (1, 8)}, full_batches={}, reference_batch=8)


def ids(cases: Iterable[Case]) -> list[str]:
    return [case.id.removeprefix("w-").replace("-fp32-eager", "").removeprefix("cpu-") for case in cases]


def test_full_sweep_has_what_the_default_one_leaves_out() -> None:
    assert ids(candidates(HEAVY, SWEEP)) == ["b1"]
    assert ids(too_heavy(HEAVY, SWEEP)) == ["b1-t1", "b8", "b8-t1", "b128", "b128-t1"]
    full = replace(SWEEP, kind="full")
    assert set(candidates(HEAVY, full)) == {*candidates(HEAVY, SWEEP), *too_heavy(HEAVY, SWEEP)}
    assert too_heavy(HEAVY, full) == []


def test_single_thread_case_of_light_work_is_at_the_reference_batch() -> None:
    assert ids(candidates(LIGHT, SWEEP)) == ["b1", "b8", "b8-t1"]
    assert ids(candidates(LIGHT, replace(SWEEP, usable_cpus=1))) == ["b1", "b8"]


def test_requested_batches_and_threads_are_measured() -> None:
    requested = replace(SWEEP, batch_sizes=(128,), threads=(1,))
    assert ids(candidates(HEAVY, requested)) == ["b128-t1"]
    assert too_heavy(HEAVY, requested) == []


def test_light_work_has_nothing_too_heavy() -> None:
    assert too_heavy(LIGHT, SWEEP) == []


def test_work_of_one_device_has_no_case_on_the_other() -> None:
    cpu_only = replace(LIGHT, batches={"cpu": (1,), "cuda": ()}, settings={"a": 1, "b": 2}, reference_batch=1)
    both = replace(SWEEP, devices=("cpu", "cuda"))
    assert {case.device for case in candidates(cpu_only, both)} == {"cpu"}
    assert {case.device for case in candidates(cpu_only, replace(both, kind="full"))} == {"cpu"}


def test_further_settings_are_measured_at_the_reference_batch() -> None:
    two = replace(LIGHT, settings={"a": 1, "b": 2})
    single = replace(SWEEP, threads=(2,))
    assert ids(candidates(two, single)) == ["a-cpu-b1", "a-cpu-b8", "b-cpu-b8"]
    assert ids(candidates(replace(two, grid=True), single)) == ["a-cpu-b1", "a-cpu-b8", "b-cpu-b1", "b-cpu-b8"]
    assert ids(candidates(two, replace(single, kind="full"))) == ["a-cpu-b1", "a-cpu-b8", "b-cpu-b1", "b-cpu-b8"]


def test_settings_of_a_full_sweep_are_left_out_of_the_default_one() -> None:
    late = replace(LIGHT, settings={"a": 1, "b": 2}, full_settings={"cpu": ("b",)})
    assert {case.setting for case in candidates(late, SWEEP)} == {"a"}
    assert {case.setting for case in too_heavy(late, SWEEP)} == {"b"}
    assert {case.setting for case in candidates(late, replace(SWEEP, devices=("cuda",)))} == {"a", "b"}


def test_batches_of_a_full_sweep_are_in_order() -> None:
    assert HEAVY.batch_sizes("cpu") == (1, 8)
    assert HEAVY.batch_sizes("cpu", "full") == (1, 8, 128)
    assert HEAVY.batch_sizes("cuda", "full") == (1, 8, 128)
    shuffled = replace(HEAVY, batches={"cpu": (8, 1), "cuda": (128, 1, 8)})
    assert shuffled.batch_sizes("cpu", "full") == (1, 8, 128)
    assert shuffled.batch_sizes("cuda") == (1, 8, 128)


def test_batches_of_an_unknown_device_are_an_error() -> None:
    with pytest.raises(CaseError, match="no device 'tpu'; there are: cpu, cuda"):
        HEAVY.batch_sizes("tpu")


def test_a_heavy_workload_has_one_batch_on_a_cpu_alone_and_all_beside_a_gpu():
    heavy = workloads.get("resnet50_infer")
    alone = candidates(heavy, Sweep(("cpu",), usable_cpus=2))
    assert [case.batch_size for case in alone] == [1]
    both = candidates(heavy, Sweep(("cpu", "cuda"), usable_cpus=2))
    on_cpu = {case.batch_size for case in both if case.device == "cpu"}
    assert len(on_cpu) >= 3
    assert on_cpu <= {case.batch_size for case in both if case.device == "cuda"}
