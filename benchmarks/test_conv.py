import pytest

from bench_core import Case


@pytest.mark.bench_family("conv")
def test_conv(case: Case, device_benchmark):
    device_benchmark.case(case)
