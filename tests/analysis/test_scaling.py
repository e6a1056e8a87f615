"""Strong and weak scaling, and the bandwidth of collectives, of records with known times and of a fake communicator."""

import random
from dataclasses import replace

import pytest

from bench_core.analysis.comparison import Result
from bench_core.analysis.scaling import bus_bandwidth, scalings
from bench_core.core.case import Case
from bench_core.core.ranks import RankTimes
from bench_core.core.records import Timing
from bench_core.hardware.device import resolve
from bench_core.timing.rank_clock import RankClock
from bench_core.timing.sampling import measure
from tests.support import factory
from tests.support.devices import VirtualClock
from tests.support.ranks import FakeRanks

INFO = factory.run([]).info


def result(batch, ranks, seconds, *, nodes=1, kind="train", info=INFO, threads=1, **times):
    case = Case("ddp", batch_size=batch, threads=threads, ranks=ranks, nodes=nodes)
    ranked = RankTimes("gloo", ("node",) * ranks, (seconds,) * ranks, **times)
    return Result(factory.record(case, seconds, kind=kind, ranks=ranked), info)


def test_strong_and_weak_scaling_are_found_and_compared_per_unit():
    one, wide, two = result(64, 1, 4e-3), result(128, 1, 8e-3), result(128, 2, 5e-3)
    strong, weak = scalings([one, wide, two, result(128, 4, 4e-3)])[:2]
    assert (strong.kind, strong.base, strong.over) == ("strong", wide, two)
    assert (weak.kind, weak.base, weak.over) == ("weak", one, two)
    for scaled in (strong, weak):
        assert scaled.speedup == pytest.approx(1.6, rel=1e-6)
        assert scaled.efficiency == pytest.approx(0.8, rel=1e-6)
        low, high = scaled.efficiency_interval or (0.0, 0.0)
        assert low < scaled.efficiency < high


def test_as_many_ranks_on_one_node_and_on_several_are_each_compared_with_one_rank():
    one, near, far = result(64, 1, 4e-3), result(64, 2, 2e-3), result(64, 2, 4e-3, nodes=2)
    assert [(s.base, s.over, round(s.speedup, 3)) for s in scalings([one, near, far])] == [
        (one, near, 2.0),
        (one, far, 1.0),
    ]


def test_only_ranks_of_the_same_machine_and_threads_are_compared():
    other = factory.run([], on=factory.machine(usable_cpus=8)).info
    assert scalings([result(64, 1, 1e-3), result(64, 2, 1e-3, info=other), result(64, 2, 1e-3, threads=2)]) == ()


def test_a_collective_has_a_bandwidth_and_no_scaling():
    one, two = result(2**20, 1, 1e-5, kind="op"), result(2**20, 2, 1e-3, kind="op", bus_bytes=2.0**20)
    assert scalings([one, two]) == ()
    assert bus_bandwidth(two.record) == pytest.approx(2**20 / 1e-3, rel=1e-6)
    assert bus_bandwidth(one.record) is None
    assert bus_bandwidth(factory.record(Case("gemm"))) is None


@pytest.mark.parametrize("cost", [1e-4, 1e-3, 4e-3])
def test_on_a_fake_communicator_efficiency_and_communication_are_what_its_cost_makes_them(cost):
    """A row takes 100 us, give or take 5%; averaging the gradients of two ranks takes ``cost`` seconds."""
    noise = random.Random(1)

    def measured(batch, ranks):
        now = VirtualClock(tick=1e-7)
        clock = RankClock(resolve("cpu"), FakeRanks(now, (1.0,) * ranks, cost=1e-3), now)

        def local():
            now.advance(batch / ranks * 1e-4 * noise.uniform(0.95, 1.05))

        def whole():
            local()
            now.advance(cost if ranks > 1 else 0.0)

        m = measure(whole, timer=now, clock=clock)
        share = clock.communication(whole, local, m, 1.0)
        case = Case("ddp", batch_size=batch, threads=1, ranks=ranks)
        record = factory.record(case, ranks=RankTimes("fake", ("node",) * ranks, clock.medians(m), share))
        return Result(replace(record, timing=Timing.of(m)), INFO)

    results = [measured(32, 1), measured(64, 1), measured(64, 2)]
    rows = 32e-4
    strong, weak = scalings(results)
    assert strong.efficiency == pytest.approx(rows / (rows + cost), rel=0.02)
    assert weak.efficiency == pytest.approx(rows / (rows + cost), rel=0.02)
    assert results[2].record.ranks.communication == pytest.approx(cost / (rows + cost), abs=0.02)
