import pytest

from bench_core import Case


@pytest.mark.bench_family("gan")
def test_gan(case: Case, device_benchmark):
    device_benchmark.case(case)
