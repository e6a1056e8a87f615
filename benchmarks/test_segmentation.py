import pytest

from bench_core import Case


@pytest.mark.bench_family("segmentation")
def test_segmentation(case: Case, device_benchmark):
    device_benchmark.case(case)
