import pytest

from bench_core import Case


@pytest.mark.bench_family("cnn")
def test_cnn(case: Case, device_benchmark):
    device_benchmark.case(case)
