import pytest

from bench_core import Case


@pytest.mark.bench_family("pipeline")
def test_pipeline(case: Case, device_benchmark):
    device_benchmark.case(case)
