import pytest

from bench_core import Case


@pytest.mark.bench_family("mlp")
def test_mlp(case: Case, device_benchmark):
    device_benchmark.case(case)
