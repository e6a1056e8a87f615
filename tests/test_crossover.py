"""The batch at which the GPU overtakes the CPU: a pure function of arrays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.crossover import crossover


def tight(ratios):
    return [(r * 0.99, r * 1.01) for r in ratios]


class TestCrossover:
    @given(st.floats(1.5, 500.0), st.floats(0.1, 3.0))
    def test_a_power_law_is_met_exactly(self, where, power):
        batches = [1, 4, 16, 64, 256, 1024]
        ratios = [(b / where) ** power for b in batches]
        found = crossover(batches, ratios, tight(ratios))
        assert found.batch == pytest.approx(where)
        assert found.word == "crossover"

    @given(st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(1.0, 3.0)), min_size=2, max_size=8))
    def test_the_interval_holds_the_batch_and_both_lie_within_what_was_measured(self, points):
        batches = [2**i for i in range(len(points))]
        ratios = [r for r, _ in points]
        intervals = [(r / width, r * width) for r, width in points]
        found = crossover(batches, ratios, intervals)
        if found.batch is not None:
            low, high = found.interval
            assert batches[0] <= found.batch <= batches[-1]
            assert low is None or low <= found.batch * (1 + 1e-9)
            assert high is None or high >= found.batch * (1 - 1e-9)
        assert (found.word == "crossover") == (found.batch is not None)
        assert (found.word == "GPU always") == all(low > 1.0 for low, _ in intervals)
        assert (found.word == "CPU always") == all(high < 1.0 for _, high in intervals)

    def test_always_needs_every_interval_on_its_side(self):
        assert crossover([1, 2], [2.0, 3.0], tight([2.0, 3.0])).word == "GPU always"
        assert crossover([1, 2], [0.2, 0.3], tight([0.2, 0.3])).word == "CPU always"
        unsure = crossover([1, 2], [2.0, 3.0], [(0.9, 4.0), (2.0, 4.0)])
        assert (unsure.word, unsure.batch) == ("not reached", None)
        assert "not every interval" in unsure.note

    def test_an_end_outside_the_measured_batches_is_open(self):
        found = crossover([1, 2, 4], [0.9, 1.1, 1.2], [(0.8, 1.2), (0.8, 1.3), (0.9, 1.4)])
        assert found.interval == (None, None)

    def test_a_missing_interval_bounds_nothing(self):
        assert crossover([1, 2], [5.0, 9.0], [None, (8.0, 10.0)]).word == "not reached"
        found = crossover([1, 2, 4], [0.5, 2.0, 3.0], [(0.4, 0.6), None, (2.0, 4.0)])
        assert found.interval[0] == pytest.approx(1.0, abs=0.01)
        assert found.interval[1] == pytest.approx(4.0, abs=0.01)

    def test_of_several_crossings_the_last_counts(self):
        ratios = [0.5, 2.0, 0.5, 2.0]
        found = crossover([1, 4, 16, 64], ratios, tight(ratios))
        assert found.batch == pytest.approx(32.0)
        assert found.note == "R crosses 1 3 times; this is the last"

    def test_a_gpu_that_falls_behind_again_has_no_crossover(self):
        found = crossover([1, 4, 16], [0.5, 2.0, 0.5], tight([0.5, 2.0, 0.5]))
        assert (found.word, found.note) == ("not reached", "R crosses 1 but ends below it")

    @pytest.mark.parametrize("n", [0, 1])
    def test_fewer_than_two_batches_say_too_little(self, n):
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
    def test_senseless_arrays_are_refused(self, batches, ratios, intervals):
        with pytest.raises(ValueError, match="batches"):
            crossover(batches, ratios, intervals)
