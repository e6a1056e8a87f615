"""The studies: questions asked beside the sweep."""

from functools import partial

import pytest

from bench_core.core.case import Sources
from bench_core.core.studies import TimeToAccuracy
from bench_core.execution.fixture import DeviceBenchmark
from bench_core.execution.studies.ceilings import ceilings_summary, run_ceilings
from bench_core.execution.studies.course import course_summary, run_course
from bench_core.execution.studies.ladder import ladder_summary, run_ladder
from bench_core.execution.studies.learning import TARGETS, learning_summary, measure_time_to_accuracy
from bench_core.execution.studies.tutorial import NETWORKS, WORKLOAD

LEARNING = [
    pytest.param(name, marks=pytest.mark.bench_study("learning", workload=name, seconds=target.expected, sweep="full"))
    for name, target in TARGETS.items()
]

COURSE = [
    pytest.param(name, marks=pytest.mark.bench_study("course", workload=name, seconds=60, sweep=""))
    for name in NETWORKS
]


@pytest.mark.bench_study("ceilings", seconds=15, first=True)
def test_ceilings(bench_device: str, device_benchmark: DeviceBenchmark) -> None:
    device_benchmark.study(lambda _: run_ceilings(bench_device), ceilings_summary)


@pytest.mark.bench_study("ladder", workload=WORKLOAD, seconds=15)
def test_ladder(bench_device: str, device_benchmark: DeviceBenchmark) -> None:
    device_benchmark.study(partial(run_ladder, bench_device), ladder_summary)


@pytest.mark.parametrize("workload", LEARNING)
def test_learning(workload: str, bench_device: str, device_benchmark: DeviceBenchmark) -> None:
    def train(sources: Sources) -> tuple[TimeToAccuracy, ...]:
        return (measure_time_to_accuracy(workload, bench_device, sources),)

    device_benchmark.study(train, learning_summary)


@pytest.mark.parametrize("workload", COURSE)
def test_course(workload: str, bench_device: str, device_benchmark: DeviceBenchmark) -> None:
    device_benchmark.study(partial(run_course, workload, bench_device), course_summary)
