"""Steps in series: a pure function of values. benchmarks/proofs/test_14_change_points.py has its rates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_core import ChangePoint, change_points
from bench_core.analysis.change_points import strongest_alarm
from bench_core.core.errors import BenchError

SEEDS = st.integers(0, 2**32 - 1)


def noise(seed: int, n: int = 200, cv: float = 0.02, heavy: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 1.0 + (rng.standard_t(3, n) * cv / math.sqrt(3.0) if heavy else rng.normal(0.0, cv, n))


def stepped(values: np.ndarray, begin: int, factor: float, end: int | None = None) -> np.ndarray:
    values = values.copy()
    values[begin:end] *= factor
    return values


def places(points: tuple[ChangePoint, ...]) -> list[int]:
    return [point.index for point in points]


class TestSteps:
    @pytest.mark.parametrize("heavy", [False, True])
    @pytest.mark.parametrize("factor", [1.05, 1 / 1.05, 1.5, 4.0])
    def test_a_step_is_found_with_its_size(self, factor: float, heavy: bool) -> None:
        (point,) = change_points(stepped(noise(1, heavy=heavy), 150, factor))
        assert abs(point.index - 150) <= 3
        assert point.interval[0] < point.ratio < point.interval[1]
        assert point.ratio == pytest.approx(factor, rel=0.015)
        assert point.after / point.before == pytest.approx(point.ratio)
        assert point.before == pytest.approx(1.0, rel=0.01)
        assert point.magnitude == pytest.approx(max(factor, 1 / factor) - 1.0, rel=0.3)
        assert (point.recovers, point.candidate, point.confidence) == (None, False, 0.999)

    def test_intervals_contain_the_ratio_as_often_as_they_state(self) -> None:
        points = [point for seed in range(150) for point in change_points(stepped(noise(seed, 100), 40, 1.1))]
        assert len(points) >= 150
        assert sum(low <= 1.1 <= high for low, high in (point.interval for point in points)) >= 0.88 * len(points)

    def test_several_steps(self) -> None:
        values = stepped(stepped(noise(2), 60, 1.1), 130, 1.1)
        assert places(change_points(values)) == pytest.approx([60, 130], abs=1)

    def test_series_without_noise(self) -> None:
        (point,) = change_points([3.0] * 50 + [3.15] * 50)
        assert (point.index, point.recovers, point.candidate) == (50, None, False)
        assert point.ratio == pytest.approx(1.05)
        assert change_points([3.0] * 50) == ()

    def test_more_false_alarms_allowed_need_less_evidence(self) -> None:
        def found(share: float) -> int:
            return sum(
                bool(change_points(stepped(noise(seed, 40), 30, 1.03), false_alarm=share)) for seed in range(100)
            )

        assert found(0.001) < found(0.01) < found(0.05)

    def test_confidence_grows_with_the_step(self) -> None:
        def mean(factor: float) -> float:
            points = [p for seed in range(60) for p in change_points(stepped(noise(seed, 50), 38, factor))]
            return float(np.mean([point.confidence for point in points]))

        assert 0.99 - 1e-9 <= mean(1.04) < mean(1.07) <= 0.999 + 1e-9


class TestRecovery:
    def test_a_step_that_recovers_says_where(self) -> None:
        up, down = change_points(stepped(noise(3), 80, 1.1, 120))
        assert [up.index, down.index] == pytest.approx([80, 120], abs=1)
        assert (up.recovers, down.recovers) == (down.index, None)

    def test_both_steps_of_a_staircase_recover_with_the_step_back(self) -> None:
        first, second, back = change_points(stepped(stepped(noise(4), 60, 1.1, 160), 110, 1.1, 160))
        assert first.recovers == second.recovers == back.index

    def test_going_beyond_the_earlier_level_recovers(self) -> None:
        up, _ = change_points(stepped(stepped(noise(5), 80, 1.1), 120, 0.8))
        assert up.recovers is not None

    def test_half_of_the_way_back_does_not(self) -> None:
        up, _ = change_points(stepped(stepped(noise(6), 80, 1.2), 120, 0.9))
        assert up.recovers is None

    def test_not_before_the_step_back_is_confirmed(self) -> None:
        up, down = change_points(stepped(noise(7), 150, 1.3, 197))
        assert (up.candidate, up.recovers) == (False, None)
        assert down.candidate


class TestTheEnd:
    @pytest.mark.parametrize(("after", "candidate"), [(3, True), (4, True), (5, False), (8, False)])
    def test_too_few_values_make_a_candidate(self, after: int, candidate: bool) -> None:
        (point,) = change_points(stepped(noise(8), 200 - after, 1.2))
        assert (point.index, point.candidate) == (200 - after, candidate)

    @pytest.mark.parametrize("after", [1, 2])
    def test_two_values_make_nothing(self, after: int) -> None:
        for seed in range(20):
            assert change_points(stepped(noise(seed), 200 - after, 1.2)) == ()


class TestNoSteps:
    @pytest.mark.parametrize("n", [10, 20, 200])
    @pytest.mark.parametrize("heavy", [False, True])
    def test_noise(self, n: int, heavy: bool) -> None:
        alarms = [change_points(noise(seed, n, heavy=heavy)) for seed in range(100)]
        assert sum(map(bool, alarms)) <= 4  # 1 is expected; above 4 with a probability of 0.3%

    def test_autocorrelated_noise(self) -> None:
        def series(seed: int) -> np.ndarray:
            innovations = np.random.default_rng(seed).normal(0.0, 0.02, 230)
            return np.exp(
                [innovations[max(0, i - 30) : i + 1][::-1] @ 0.5 ** np.arange(31)[: i + 1] for i in range(230)]
            )

        assert sum(bool(change_points(series(seed)[30:])) for seed in range(100)) <= 4

    @pytest.mark.parametrize("count", [1, 2])
    @pytest.mark.parametrize("factor", [1.3, 3.0, 0.3])
    @pytest.mark.parametrize("begin", [0, 7, 100, -2])
    def test_an_outlier_or_two(self, begin: int, factor: float, count: int) -> None:
        for seed in (1, 2, 3):
            for n in (20, 200):
                place = begin if begin < n else n // 2
                end = place + count or None
                assert change_points(stepped(noise(seed, n), place, factor, end)) == ()

    def test_an_outlier_does_not_hide_a_step(self) -> None:
        (point,) = change_points(stepped(stepped(noise(9), 100, 1.1), 105, 3.0, 106))
        assert point.index == pytest.approx(100, abs=1)
        assert point.ratio == pytest.approx(1.1, rel=0.015)

    def test_nor_in_a_short_series(self) -> None:
        def found(seed: int) -> bool:
            values = stepped(stepped(noise(seed, 20), 10, 1.1), seed % 20, 3.0, seed % 20 + 1)
            return any(abs(point.index - 10) <= 2 for point in change_points(values))

        assert sum(map(found, range(60))) >= 40

    @pytest.mark.parametrize("quantum", [0.01, 0.03, 0.05])
    def test_quantized_values(self, quantum: float) -> None:
        alarms = [change_points(np.round(noise(seed) / quantum) * quantum) for seed in range(50)]
        assert sum(map(bool, alarms)) <= 3

    def test_steps_below_the_least_effect(self) -> None:
        values = stepped(noise(10, cv=0.002), 100, 1.015)
        assert change_points(values) == ()
        assert places(change_points(values, min_effect=0.01)) == pytest.approx([100], abs=1)

    @given(st.lists(st.floats(1e-3, 1e3), max_size=9))
    def test_short_series(self, values: list[float]) -> None:
        assert change_points(values) == ()


class TestInvariance:
    @settings(max_examples=25)
    @given(SEEDS, st.integers(10, 70), st.floats(1e-9, 1e9))
    def test_the_unit_does_not_matter(self, seed: int, where: int, unit: float) -> None:
        values = stepped(noise(seed, 80), where, 1.1)
        points, others = change_points(values), change_points(values * unit)
        assert places(points) == places(others)
        for one, other in zip(points, others, strict=True):
            assert other.ratio == pytest.approx(one.ratio)
            assert other.interval == pytest.approx(one.interval)
            assert other.after == pytest.approx(one.after * unit)
            assert (other.recovers, other.candidate) == (one.recovers, one.candidate)

    @settings(max_examples=25)
    @given(SEEDS, st.integers(20, 60))
    def test_a_reversed_series_has_the_steps_mirrored(self, seed: int, where: int) -> None:
        values = stepped(noise(seed, 80), where, 1.2)
        points, mirrored = change_points(values), change_points(values[::-1])
        assert places(points) == [80 - index for index in reversed(places(mirrored))]
        for one, other in zip(points, reversed(mirrored), strict=True):
            assert other.ratio == pytest.approx(1.0 / one.ratio)
            assert other.interval == pytest.approx((1.0 / one.interval[1], 1.0 / one.interval[0]))

    @settings(max_examples=100)
    @given(st.lists(st.floats(min_value=0.0, exclude_min=True, allow_infinity=False), min_size=10, max_size=60))
    def test_any_positive_numbers(self, values: list[float]) -> None:
        points = change_points(values)
        assert places(points) == sorted(set(places(points)))
        for point in points:
            assert len(values) - point.index >= 3
            assert point.candidate == (len(values) - point.index < 5)
            assert point.index >= 5
            assert point.interval[0] <= point.ratio <= point.interval[1]
            assert point.magnitude > 0.0199
            assert 0.99 - 1e-9 <= point.confidence <= 0.999 + 1e-9
            assert point.recovers is None or point.recovers in places(points)

    @settings(max_examples=40)
    @given(st.lists(st.sampled_from([1.0, 1.01, 1.1]), min_size=10, max_size=80))
    def test_few_distinct_values(self, values: list[float]) -> None:
        assert all(math.isfinite(point.ratio) for point in change_points(values))

    def test_the_strongest_alarm_is_the_threshold_that_just_reports_it(self) -> None:
        assert strongest_alarm(stepped(noise(11), 100, 1.1)) > strongest_alarm(stepped(noise(11), 100, 1.04)) > 3.0
        assert strongest_alarm([1.0] * 20) == 0.0


class TestBadInput:
    @pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
    def test_values_that_are_no_times(self, bad: float) -> None:
        with pytest.raises(BenchError, match=r"value 3 is .*; leave out"):
            change_points([1.0, 1.0, 1.0, bad, 1.0])

    def test_two_dimensions(self) -> None:
        with pytest.raises(ValueError, match="2 dimensions"):
            change_points([[1.0, 2.0], [1.0, 2.0]])

    @pytest.mark.parametrize("share", [0.0, 0.0001, 0.2])
    def test_false_alarm_outside_the_table(self, share: float) -> None:
        with pytest.raises(BenchError, match=r"from 0.001 to 0.05"):
            change_points([1.0] * 20, false_alarm=share)

    @pytest.mark.parametrize("effect", [0.0, 1.0, -0.1])
    def test_min_effect_out_of_range(self, effect: float) -> None:
        with pytest.raises(BenchError, match="min_effect"):
            change_points([1.0] * 20, min_effect=effect)
