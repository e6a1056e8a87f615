import pytest

from bench_core import Case


@pytest.mark.bench_family("autoregression")
def test_autoregression(case: Case, device_benchmark):
    device_benchmark.case(case)
