import pytest

from bench_core import Case


@pytest.mark.bench_family("resnet")
def test_resnet(case: Case, device_benchmark):
    device_benchmark.case(case)
