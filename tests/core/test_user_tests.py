"""Tests of user code as cases: how they are named, and which test a name is of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.core.user_tests import case_of_test, is_of_test

words = st.text("ab1_/.:-", min_size=1, max_size=12)
tests = words | st.builds("{}[{}]".format, words, words)
devices = st.sampled_from(["cpu", "cuda", "cuda:1", "mps"])


def test_a_case_is_named_after_the_test_and_its_parameters_without_the_device():
    case = case_of_test("tests/a.py::test_b[cuda-small]", "cuda", 64, threads=1)
    assert case.name == "tests/a.py::test_b-small-cuda-b64-default-eager-t1"


@given(test=tests, device=devices, units=st.integers(1, 10**9), threads=st.none() | st.integers(1, 512))
def test_the_name_of_a_tests_case_is_of_this_test(test, device, units, threads):
    assert is_of_test(case_of_test(test, device, units, threads).name, test)


@given(name=words, other=words, device=devices)
def test_it_is_not_of_a_test_whose_case_has_another_name(name, other, device):
    case = case_of_test(name, device, 1)
    assert is_of_test(case.name, other) == (case.name == case_of_test(other, device, 1).name)


LONG = pytest.param(f"-cpu-b{'1' * 5000}-default-eager", id="long")


@pytest.mark.parametrize("name", ["", "bench.time_sort", "gemm-cpu-b8-fp32-eager", LONG])
def test_other_names_are_of_no_test(name):
    assert not is_of_test(name, name)
