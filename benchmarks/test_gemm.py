import pytest

from bench_core import Case


@pytest.mark.bench_family("gemm")
def test_gemm(case: Case, device_benchmark):
    device_benchmark.case(case)
