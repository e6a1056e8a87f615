"""Medians, their intervals, effective sample sizes and ratios, compared with theory and with simulation."""

import math
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from bench_core.core import stats

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

positive = st.floats(min_value=1e-9, max_value=1e3)


@pytest.mark.parametrize("n", [1, 5, 6, 7, 8, 9, 20, 51, 100, 999, 5000])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_interval_ranks_are_the_narrowest_with_the_requested_binomial_coverage(n: int, confidence: float) -> None:
    def coverage(rank: int) -> float:
        return float(1 - 2 * scipy_stats.binom.cdf(rank - 1, n, 0.5))

    rank = stats.interval_rank(n, confidence)
    if rank is None:
        assert coverage(1) < confidence
    else:
        assert coverage(rank) >= confidence - 1e-9
        assert rank + 1 > n // 2 or coverage(rank + 1) < confidence


def test_there_is_no_95_percent_interval_below_six_samples() -> None:
    assert stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == (1.0, 6.0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(10.0, 1.0, n),
        lambda rng, n: rng.lognormal(0.0, 1.0, n),
        lambda rng, n: np.where(rng.random(n) < 0.02, 10.0, 1.0) * rng.normal(10.0, 0.1, n),
    ],
    ids=["normal", "lognormal", "spikes"],
)
def test_the_interval_contains_the_true_median_as_often_as_its_confidence_says(draw: Draw) -> None:
    rng = np.random.default_rng(7)
    truth = float(np.median(draw(rng, 2_000_000)))
    covered = 0
    for _ in range(1000):
        interval = stats.median_interval(draw(rng, 40), 0.95)
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    # 95% nominal; three standard errors of a proportion of 1,000 below it.
    assert covered / 1000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 1000)


@given(st.lists(positive, min_size=6, max_size=200), st.floats(1.0, 200.0))
def test_fewer_effective_samples_never_narrow_the_interval(samples: list[float], effective: float) -> None:
    full = stats.median_interval(samples)
    widened = stats.median_interval(samples, effective=effective)
    assert full is not None
    assert full[0] <= stats.median(samples) <= full[1]
    if widened is not None:
        assert widened[0] <= full[0]
        assert widened[1] >= full[1]


@given(st.lists(positive, min_size=1, max_size=100), st.randoms())
def test_the_interval_does_not_depend_on_the_order(samples: list[float], random: Random) -> None:
    shuffled = list(samples)
    random.shuffle(shuffled)
    assert stats.median_interval(samples) == stats.median_interval(shuffled)


def test_the_effective_size_of_independent_samples_is_about_their_number() -> None:
    rng = np.random.default_rng(1)
    sizes = [stats.effective_size(rng.normal(size=400)) for _ in range(100)]
    assert 0.8 * 400 < np.mean(sizes) <= 400


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.8])
def test_the_effective_size_of_correlated_samples_follows_the_indicators_autocorrelation(rho: float) -> None:
    rng = np.random.default_rng(2)
    n = 4000
    sizes = []
    for _ in range(20):
        noise = rng.normal(size=n)
        x = np.empty(n)
        x[0] = noise[0] / math.sqrt(1 - rho**2)
        for t in range(1, n):
            x[t] = rho * x[t - 1] + noise[t]
        sizes.append(stats.effective_size(x))
    # For a Gaussian process the indicator of x < median has autocorrelation (2 / pi) arcsin(rho^lag).
    theory = n / (1 + 2 * sum(2 / math.pi * math.asin(rho**lag) for lag in range(1, 200)))
    assert np.mean(sizes) == pytest.approx(theory, rel=0.15)


@given(st.lists(positive, min_size=1, max_size=300))
def test_the_effective_size_is_between_one_and_the_number_of_samples(samples: list[float]) -> None:
    assert 1.0 <= stats.effective_size(samples) <= len(samples)


def test_constant_samples_are_not_called_correlated() -> None:
    assert stats.effective_size([1.0] * 50) == 50


def test_a_ratio_interval_is_symmetric_in_the_logarithm_and_inverts() -> None:
    low, high = stats.ratio_interval(4.0, (3.6, 4.4), 2.0, (1.9, 2.1))
    assert low < 2.0 < high
    assert math.log(high / 2.0) == pytest.approx(math.log(2.0 / low))
    inverse = stats.ratio_interval(2.0, (1.9, 2.1), 4.0, (3.6, 4.4))
    assert inverse == pytest.approx((1 / high, 1 / low))


def test_a_ratio_interval_of_an_exact_and_an_uncertain_time_has_the_width_of_the_uncertain_one() -> None:
    assert stats.ratio_interval(4.0, (4.0, 4.0), 2.0, (1.0, 4.0)) == pytest.approx((1.0, 4.0))


def test_relative_half_width() -> None:
    assert stats.relative_half_width(10.0, (9.0, 11.0)) == pytest.approx(0.1)
    assert stats.relative_half_width(10.0, None) is None


@given(st.lists(positive, min_size=1, max_size=1000), st.integers(2, 256))
def test_thinning_keeps_the_order_the_first_and_the_last(samples: list[float], most: int) -> None:
    thinned = stats.thin(samples, most)
    assert len(thinned) == min(len(samples), most)
    assert (thinned[0], thinned[-1]) == (samples[0], samples[-1])
    remaining = iter(samples)
    assert all(any(value == other for other in remaining) for value in thinned)
