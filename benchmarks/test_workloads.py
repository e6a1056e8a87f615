"""The sweep: every case of every workload that was asked for."""

import pytest

from bench_core import Case
from bench_core.execution.fixture import DeviceBenchmark


@pytest.mark.bench_family
def test_workload(case: Case, device_benchmark: DeviceBenchmark) -> None:
    device_benchmark.case(case)
