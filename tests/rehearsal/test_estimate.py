"""How long the default sweep takes on a machine with a GPU, estimated without one."""

import pytest

from bench_core import Case, workloads
from benchmarks.gpu import estimate
from tests.support import factory


def test_measuring_a_short_call_takes_as_long_as_its_blocks():
    assert estimate.measuring_seconds(1e-5, max_time=1.0) == pytest.approx(estimate.BLOCKS * 5e-3, rel=0.01)
    assert estimate.measuring_seconds(1e-3, max_time=1.0) > estimate.measuring_seconds(1e-5, max_time=1.0)


def test_measuring_a_long_call_ends_by_its_limit():
    assert estimate.measuring_seconds(0.1, max_time=0.4) == pytest.approx(2.5 * 0.4 + 0.3)


def test_a_call_takes_as_long_as_its_launches_or_its_arithmetic():
    assert estimate.call_seconds(100, flops=1000) == pytest.approx(100 * estimate.LAUNCH)
    assert estimate.call_seconds(1, flops=10**12) == pytest.approx(10**12 / estimate.RATE)
    assert estimate.call_seconds(1, flops=None) == estimate.LAUNCH


def test_what_is_not_measuring_is_that_of_the_nearest_batch_in_proportion():
    records = [factory.record(Case("w", batch_size=batch), wall_seconds=1.0 + batch) for batch in (8, 64)]
    assert {r.contention.seconds for r in records} == {1.0}
    for batch, seconds in ((1, 8), (8, 8), (64, 64), (128, 128)):
        case = Case("w", "cuda", batch)
        assert estimate.other_seconds(case, estimate.nearest(case, records)) == seconds
    assert estimate.nearest(Case("unknown"), records) is None


def test_operators_of_a_step_are_counted_on_fake_tensors():
    assert estimate.operators_of("gemm", "") == 1
    assert estimate.operators_of("mlp_infer", "") > 1
    assert estimate.operators_of("csv_loader", "") is None


def test_gpu_cases_are_those_of_the_default_sweep():
    w = workloads.get("mlp_train")
    assert {case.batch_size for _, case in estimate.gpu_cases([w])} == set(w.batch_sizes("cuda"))
