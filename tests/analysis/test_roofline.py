"""Rooflines: which cases they show, and at which place."""

from dataclasses import replace

import pytest

from bench_core.analysis.causes import causes, limits
from bench_core.analysis.roofline import rooflines
from bench_core.analysis.speedup import pool
from bench_core.core.case import Case
from bench_core.core.counts import CallCounts
from tests.support import factory


def work(case, seconds, flops, traffic):
    record = factory.record(case, seconds, kind="infer")
    return replace(record, flops=flops, counts=CallCounts(1, traffic // 2, traffic // 2, traffic))


def rooflines_of(*records):
    run = factory.run(records, ceilings=factory.ceilings())
    return rooflines(causes(pool([run]).results, limits([run])))


DENSE = work(Case("dense", batch_size=64), 1e-3, 5 * 10**8, 10**6)
SPARSE = work(Case("sparse", batch_size=64), 1e-3, 10**6, 10**7)


def test_each_workload_has_its_flops_per_byte_and_per_second():
    (roofline,) = rooflines_of(DENSE, SPARSE)
    assert (roofline.device, roofline.ceilings.threads) == ("cpu", 16)
    figures = {cause.result.case.workload: (cause.intensity, cause.flops_per_second) for cause in roofline.causes}
    assert figures["dense"] == (pytest.approx(500.0), pytest.approx(5e11))
    assert figures["sparse"] == (pytest.approx(0.1), pytest.approx(1e9))


def test_the_fewest_operations_for_each_byte_come_first():
    (roofline,) = rooflines_of(DENSE, SPARSE)
    assert [cause.result.case.workload for cause in roofline.causes] == ["sparse", "dense"]


def test_the_case_with_the_highest_throughput_counts_unless_it_is_contended():
    slower = work(Case("dense", batch_size=8), 1e-3, 10**8, 10**6)
    (roofline,) = rooflines_of(slower, DENSE)
    assert [cause.result.case.batch_size for cause in roofline.causes] == [64]
    (roofline,) = rooflines_of(slower, factory.contended(DENSE))
    assert [cause.result.case.batch_size for cause in roofline.causes] == [8]


def test_each_device_has_its_own():
    on_gpu = work(Case("dense", device="cuda", batch_size=64), 1e-4, 10**9, 10**6)
    both = {roofline.device: roofline for roofline in rooflines_of(DENSE, on_gpu)}
    assert set(both) == {"cpu", "cuda"}
    assert both["cuda"].ceilings.flops["fp32"] == 6e13


@pytest.mark.parametrize(
    "case",
    [Case("w", batch_size=8, dtype="bf16"), Case("w", batch_size=8, variant="compile"), Case("w", threads=1)],
)
def test_other_variants_and_one_thread_are_left_out(case):
    assert rooflines_of(work(case, 1e-3, 10**8, 10**6)) == ()


def test_work_without_counted_traffic_has_no_place():
    assert rooflines_of(replace(DENSE, counts=None)) == ()
