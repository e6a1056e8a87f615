"""The batch size at which the GPU overtakes the CPU: a pure function of arrays."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.crossover import crossover
from bench_core.core.stats import Interval


def tight(ratios: Sequence[float]) -> list[Interval]:
    return [(r * 0.99, r * 1.01) for r in ratios]


class TestCrossover:
    @given(st.floats(1.5, 500.0), st.floats(0.1, 3.0))
    def test_a_power_law_gives_its_exact_crossover(self, where: float, power: float) -> None:
        batches = [1, 4, 16, 64, 256, 1024]
        ratios = [(b / where) ** power for b in batches]
        result = crossover(batches, ratios, tight(ratios))
        assert result.batch == pytest.approx(where)
        assert result.word == "crossover"

    @given(st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(1.0, 3.0)), min_size=2, max_size=8))
    def test_the_interval_contains_the_batch_and_both_are_within_the_measured_range(
        self, points: list[tuple[float, float]]
    ) -> None:
        batches = [2**i for i in range(len(points))]
        ratios = [r for r, _ in points]
        intervals = [(r / width, r * width) for r, width in points]
        result = crossover(batches, ratios, intervals)
        if result.batch is not None:
            low, high = result.interval
            assert batches[0] <= result.batch <= batches[-1]
            assert low is None or low <= result.batch * (1 + 1e-9)
            assert high is None or high >= result.batch * (1 - 1e-9)
        assert (result.word == "crossover") == (result.batch is not None)
        assert (result.word == "GPU always") == all(low > 1.0 for low, _ in intervals)
        assert (result.word == "CPU always") == all(high < 1.0 for _, high in intervals)

    def test_always_needs_every_interval_on_its_side(self) -> None:
        assert crossover([1, 2], [2.0, 3.0], tight([2.0, 3.0])).word == "GPU always"
        assert crossover([1, 2], [0.2, 0.3], tight([0.2, 0.3])).word == "CPU always"
        inconclusive = crossover([1, 2], [2.0, 3.0], [(0.9, 4.0), (2.0, 4.0)])
        assert (inconclusive.word, inconclusive.batch) == ("not reached", None)
        assert "not every interval" in inconclusive.note

    def test_an_end_outside_the_measured_batches_is_open(self) -> None:
        result = crossover([1, 2, 4], [0.9, 1.1, 1.2], [(0.8, 1.2), (0.8, 1.3), (0.9, 1.4)])
        assert result.interval == (None, None)

    def test_a_missing_interval_bounds_nothing(self) -> None:
        assert crossover([1, 2], [5.0, 9.0], [None, (8.0, 10.0)]).word == "not reached"
        result = crossover([1, 2, 4], [0.5, 2.0, 3.0], [(0.4, 0.6), None, (2.0, 4.0)])
        assert result.interval[0] == pytest.approx(1.0, abs=0.01)
        assert result.interval[1] == pytest.approx(4.0, abs=0.01)

    def test_of_several_crossings_the_last_counts(self) -> None:
        ratios = [0.5, 2.0, 0.5, 2.0]
        result = crossover([1, 4, 16, 64], ratios, tight(ratios))
        assert result.batch == pytest.approx(32.0)
        assert result.note == "R crosses 1 3 times; this is the last"

    def test_a_gpu_that_falls_behind_again_has_no_crossover(self) -> None:
        result = crossover([1, 4, 16], [0.5, 2.0, 0.5], tight([0.5, 2.0, 0.5]))
        assert (result.word, result.note) == ("not reached", "R crosses 1 but ends below it")

    @pytest.mark.parametrize("n", [0, 1])
    def test_fewer_than_two_batches_have_no_crossover(self, n: int) -> None:
        assert crossover([8][:n], [3.0][:n], [(2.0, 4.0)][:n]).word == "not reached"

    @pytest.mark.parametrize(
        ("batches", "ratios", "intervals"),
        [
            ([2, 1], [1, 1], [None, None]),
            ([1, 1], [1, 1], [None, None]),
            ([1, 2], [0, 1], [None, None]),
            ([1], [1], []),
        ],
    )
    def test_invalid_arrays_are_refused(
        self, batches: list[float], ratios: list[float], intervals: list[Interval | None]
    ) -> None:
        with pytest.raises(ValueError, match="batches"):
            crossover(batches, ratios, intervals)
