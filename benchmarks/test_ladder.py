from functools import partial

import pytest

from bench_core import ladder


@pytest.mark.bench_study("ladder", workload=ladder.WORKLOAD, seconds=15)
def test_ladder(bench_device, device_benchmark):
    device_benchmark.study("ladder", partial(ladder.climb, bench_device), ladder.in_words)
