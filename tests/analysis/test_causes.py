"""Results compared with the ceilings of their machines."""

from dataclasses import replace

import pytest

from bench_core.analysis.causes import causes, figures_of, limits
from bench_core.analysis.gpu_bounds import DATA_SHEETS, potentials
from bench_core.analysis.regimes import Regime
from bench_core.analysis.speedup import pool
from bench_core.core.case import Case
from bench_core.core.counts import CallCounts
from bench_core.core.records import Record
from bench_core.core.results import Stages
from tests.support import factory

CASE = Case("gemm", batch_size=64)
WORK = CallCounts(operators=10, bytes_read=6 * 10**6, bytes_written=2 * 10**6, footprint=2**30)


def found(*records, ceilings=None, on=None, **facts):
    run = factory.run(records, on, ceilings=factory.ceilings() if ceilings is None else ceilings, **facts)
    return causes(pool([run]).results, limits([run]))


def cause(record, **facts):
    (one,) = found(record, **facts).values()
    return one


def test_a_case_is_compared_with_the_ceilings_of_its_device_and_threads():
    # 1e9 FLOPs at 1e12 per second: 1 ms; with one thread at 7e10: 14 ms.
    def counted(case: Case, seconds: float) -> Record:
        return factory.record(case, seconds, flops=10**9, counts=WORK, kind="infer")

    all_cores = cause(counted(CASE, 4e-3))
    assert all_cores.bound.regime is Regime.COMPUTE
    assert all_cores.share == pytest.approx(0.25, rel=0.01)
    assert all_cores.flops_per_second == pytest.approx(10**9 / 4e-3, rel=0.01)
    assert all_cores.bytes_per_second == pytest.approx(8e6 / 4e-3, rel=0.01)
    alone = cause(counted(replace(CASE, threads=1), 4e-2))
    assert alone.share == pytest.approx(10**9 / 7e10 / 4e-2, rel=0.01)
    on_gpu = cause(counted(replace(CASE, device="cuda"), 4e-3))
    assert on_gpu.bound.regime is Regime.HOST, "the host issues it in 40% of the time"


def test_without_ceilings_of_the_machine_nothing_is_said():
    assert not found(factory.record(CASE), ceilings=())
    assert not found(factory.record(CASE), ceilings=factory.ceilings(("cuda",)))
    assert not found(factory.record(replace(CASE, threads=4)))


def test_ceilings_of_another_machine_or_other_software_are_not_taken():
    other = factory.run([factory.record(CASE)], factory.machine(cpu="Other CPU"), ceilings=factory.ceilings())
    older = factory.run(
        [factory.record(CASE)],
        factory.machine(torch="2.10.0"),
        "2026-01-01T00:00:00+00:00",
        ceilings=factory.ceilings(),
    )
    here = factory.run([factory.record(CASE)])
    known = limits([other, older, here])
    assert {hardware for hardware, _, _ in known} == {other.info.machine.hardware}
    assert len(causes(pool([older, here]).results, limits([older, here]))) == 0


def test_the_replay_of_a_graph_does_the_work_of_the_eager_case():
    eager = factory.record(replace(CASE, device="cuda"), counts=WORK)
    graph = factory.record(replace(CASE, device="cuda", variant="cuda_graph"), counts=None)
    both = found(eager, graph)
    assert both[factory.machine().hardware, graph.case].figures.operators == WORK.operators
    assert found(graph)[factory.machine().hardware, graph.case].figures.operators is None


def test_stages_of_a_pipeline_are_its_parts():
    stages = Stages({"load": 0.7, "copy": 0.1, "train": 0.2}, 1.0, 3, loading=("load",), moving=("copy",))
    figures = figures_of(factory.record(CASE, 1.0, stages=stages))
    assert (figures.loader, figures.transfer, figures.others) == pytest.approx((0.7, 0.1, 0.2))
    assert cause(factory.record(CASE, 1.0, stages=stages)).bound.regime is Regime.LOADER


def test_bounds_are_of_cases_on_all_cores_of_a_cpu_that_were_not_contended():
    plain, alone = factory.record(CASE), factory.record(replace(CASE, threads=1))
    busy = factory.contended(factory.record(replace(CASE, batch_size=8)))
    on_gpu = factory.record(replace(CASE, device="cuda"))
    (one,) = potentials(found(plain, alone, busy, on_gpu).values())
    assert one.cause.result.case == CASE
    assert [bound.gpu for bound in one.bounds] == [sheet.name for sheet in DATA_SHEETS]
    assert one.of("H100 SXM") == pytest.approx(1e-3 / (20 * 3e-6), rel=0.01), "20 operators of 3 µs in training"
    assert one.largest.limit == "issue"
    assert one.of("Voodoo 2") is None
