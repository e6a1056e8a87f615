"""What a step returns is looked at: every number, of few calls where the numbers are many."""

import itertools
import math

import pytest
import torch

from bench_core import Step
from bench_core.core.errors import NotFiniteError
from bench_core.execution import outputs
from bench_core.execution.outputs import check_outputs

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2)


def step(fn):
    return Step(fn=fn, units=1, flops=None, devices=("cpu",), data="a test's own")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 500, 999])
def test_a_single_number_that_is_not_finite_is_found(dtype, bad, place):
    numbers = torch.linspace(-8.0, 8.0, 1000)
    check_outputs(step(lambda: numbers.to(dtype)), 1)
    numbers[place] = bad
    with pytest.raises(NotFiniteError):
        check_outputs(step(lambda: numbers.to(dtype)), 1)


def test_numbers_that_may_be_trained_are_looked_at_and_nothing_may_be_empty():
    check_outputs(step(lambda: [torch.ones(3, requires_grad=True), torch.empty(0), torch.arange(3)]), 1)


@pytest.mark.parametrize(("size", "calls"), [(10, 8), (25, 4), (100, 1), (300, 1)])
def test_large_outputs_are_looked_at_in_fewer_calls(size, calls, monkeypatch):
    monkeypatch.setattr(outputs, "ENOUGH", 100)
    made = itertools.count()
    check_outputs(step(lambda: torch.full((size,), float(next(made)))), 8)
    assert next(made) == calls
