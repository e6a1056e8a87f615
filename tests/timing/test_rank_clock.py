"""The clock of ranks: all decide alike, the slowest one's time counts, and waiting for each other is not counted."""

import random

import pytest

from bench_core.core import stats
from bench_core.hardware.device import resolve
from bench_core.timing.rank_clock import RankClock
from bench_core.timing.sampling import measure
from tests.support.devices import VirtualClock
from tests.support.ranks import FakeRanks, in_threads

CPU = resolve("cpu")


def test_the_slowest_rank_counts_and_waiting_for_the_others_does_not():
    now = VirtualClock()
    clock = RankClock(CPU, FakeRanks(now, pace=(1.0, 1.25, 1.1), cost=5.0), now)
    block = clock.block(lambda: now.advance(2e-3), 4)
    assert block.wall == pytest.approx(4 * 2e-3 * 1.25)
    assert block.issue == pytest.approx(4 * 2e-3)


def test_the_median_of_each_rank_stands_beside_the_sample_of_all():
    now = VirtualClock()
    clock = RankClock(CPU, FakeRanks(now, pace=(1.0, 1.25, 1.1)), now)
    noise = random.Random(1)
    m = measure(lambda: now.advance(1e-3 * noise.uniform(0.9, 1.1)), timer=now, clock=clock)
    assert len(m.samples) > 6
    assert clock.medians(m) == pytest.approx([m.median / 1.25, m.median, m.median * 1.1 / 1.25])


def test_ranks_that_take_different_times_make_the_same_calls_and_get_the_same_measurement():
    def work(ranks):
        now, noise, calls = VirtualClock(tick=1e-7), random.Random(ranks.rank), 0

        def call():
            nonlocal calls
            calls += 1
            now.advance(noise.lognormvariate(-7.0, 0.2) * (1.3 if ranks.rank else 1.0))

        clock = RankClock(CPU, ranks, now)
        m = measure(call, timer=now, max_time=0.2, clock=clock)
        return m, calls, clock.medians(m)

    (one, calls, medians), (other, *same) = in_threads(2, work)
    assert (one.samples, one.interval, one.latency, one.warmup_calls) == (
        other.samples,
        other.interval,
        other.latency,
        other.warmup_calls,
    )
    assert same == [calls, medians]
    assert stats.median(one.samples) == one.median >= max(medians)
