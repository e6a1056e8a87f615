import pytest

from bench_core.learning import GOALS, in_words, learn

STUDIES = [
    pytest.param(name, marks=pytest.mark.bench_study("learning", workload=name, seconds=goal.expected, sweep="full"))
    for name, goal in GOALS.items()
]


@pytest.mark.parametrize("workload", STUDIES)
def test_learning(workload, bench_device, device_benchmark):
    device_benchmark.study("learning", lambda data_dir: (learn(workload, bench_device, data_dir),), in_words)
