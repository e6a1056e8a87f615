"""Samples in one group or in two, of known distributions."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from bench_core.core.stats import two_modes

RNG = np.random.default_rng(0)
ONE: Mapping[str, Callable[[int], Any]] = {
    "normal": lambda n: 1.0 + 0.05 * RNG.standard_normal(n),
    "log-normal": lambda n: np.exp(0.5 * RNG.standard_normal(n)),
    "exponential": lambda n: 1.0 + RNG.exponential(1.0, n),
    "uniform": lambda n: RNG.uniform(1.0, 2.0, n),
    "Student t, 3 degrees": lambda n: np.exp(0.05 * RNG.standard_t(3, n)),
    "a few outliers": lambda n: np.where(np.arange(n) % 10 == 0, 5.0, 1.0) + 0.01 * RNG.random(n),
    "constant": np.ones,
}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("count", [20, 50, 256])
def test_one_group_is_hardly_ever_taken_for_two(name, count):
    assert sum(two_modes(ONE[name](count)) is not None for _ in range(200)) <= 2


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("count", [20, 50, 256])
def test_two_groups_are_found_with_their_medians(share, count):
    spread = np.exp(0.03 * RNG.standard_normal(count))
    samples = np.where(np.arange(count) < share * count, 1e-3, 1.9e-3) * spread
    found = two_modes(samples)
    assert found is not None
    assert found == pytest.approx((1e-3, 1.9e-3), rel=0.05)


def test_too_few_samples_are_not_judged():
    assert two_modes([1.0] * 9 + [2.0] * 10) is None
    assert two_modes([1.0] * 10 + [2.0] * 10) == pytest.approx((1.0, 2.0))
