import pytest

from bench_core import Case


@pytest.mark.bench_family("arma")
def test_arma(case: Case, device_benchmark):
    device_benchmark.case(case)
