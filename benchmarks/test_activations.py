import pytest

from bench_core import Case


@pytest.mark.bench_family("activations")
def test_activations(case: Case, device_benchmark):
    device_benchmark.case(case)
