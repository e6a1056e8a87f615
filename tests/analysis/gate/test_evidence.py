"""The evidence is a fair game: its expectation is 1 if the signs are those of a fair coin, whatever the sizes are."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_core.analysis.gate.evidence import LIMIT, interval, log_evidence

sizes = st.floats(0.0, 2.0)


@settings(max_examples=30)
@given(st.lists(sizes, min_size=1, max_size=8))
def test_its_mean_over_all_signs_is_1(magnitudes):
    signs = itertools.product((-1.0, 1.0), repeat=len(magnitudes))
    mean = np.mean([math.exp(log_evidence(np.multiply(sign, magnitudes))) for sign in signs])
    assert mean == pytest.approx(1.0, rel=1e-9)


def test_without_a_difference_it_seldom_reaches_c_at_any_time():
    draw, c, games = np.random.default_rng(3), 20.0, 1500
    reached = 0
    for _ in range(games):
        # Outliers, and a spread that follows from the values before.
        values, spread = [], 0.02
        for _ in range(40):
            values.append(spread * draw.standard_t(2))
            spread = 0.01 + 0.5 * min(abs(values[-1]), 0.1)
        reached += max(log_evidence(values[:n]) for n in range(1, 41)) >= math.log(c)
    assert reached / games <= 1.0 / c


def test_a_clear_difference_is_found_in_few_pairs():
    values = np.random.default_rng(1).normal(0.05, 0.02, 20)
    assert log_evidence(values[:14], math.log(1.01)) > math.log(9 / 0.004)
    assert log_evidence(-values) < 0.0


def test_one_outlier_decides_nothing():
    values = [0.04] * 12
    outlier = abs(log_evidence([*values, -5.0]) - log_evidence(values))
    assert outlier <= math.log(1.0 + math.exp(2.0 * LIMIT))


@given(st.lists(st.floats(-1.0, 1.0), max_size=30), st.floats(-0.5, 0.5), st.floats(0.0, 0.5))
def test_it_falls_with_the_threshold(values, threshold, step):
    assert log_evidence(values, threshold + step) <= log_evidence(values, threshold) + 1e-9


class TestInterval:
    def test_it_is_open_after_few_pairs(self):
        assert interval([]) == (-math.inf, math.inf)
        assert interval([0.1, 0.2]) == (-math.inf, math.inf)

    @given(st.lists(st.floats(-0.5, 0.5), min_size=10, max_size=40))
    def test_there_is_evidence_against_what_is_beyond_its_ends_and_none_against_what_is_within(self, values):
        low, high = interval(values, 0.95)
        wanted = math.log(40.0)
        assert low <= high
        if math.isfinite(low):
            assert log_evidence(values, low) >= wanted
            assert log_evidence(values, low + 1e-4) < wanted
        assert -high == pytest.approx(interval([-value for value in values], 0.95)[0])

    def test_it_has_the_center_at_all_times_together(self):
        draw, games = np.random.default_rng(4), 400
        missed = 0
        for _ in range(games):
            values = list(0.03 + 0.02 * draw.standard_t(3, 30))
            ends = [interval(values[:n]) for n in range(6, 31, 4)]
            missed += any(not low <= 0.03 <= high for low, high in ends)
        assert missed / games <= 0.05

    def test_it_narrows(self):
        values = list(np.random.default_rng(5).normal(0.0, 0.02, 60))
        widths = [high - low for low, high in (interval(values[:n]) for n in (10, 20, 60))]
        assert widths[0] > widths[1] > widths[2]
        assert widths[2] < 0.03
