import pytest

from bench_core import Case


@pytest.mark.bench_family("recurrent")
def test_recurrent(case: Case, device_benchmark):
    device_benchmark.case(case)
