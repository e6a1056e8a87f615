"""The limit of ``compare --fail-above``."""

import pytest

from bench_core.analysis.comparison import compare_runs
from bench_core.analysis.slowdown import is_too_slow
from bench_core.core.case import Case
from tests.support import factory

CASE = Case("w", batch_size=8)


def row(base, head):
    (only,) = compare_runs(factory.run([base]), factory.run([head], started="2026-05-05T00:00:00+00:00"))
    return only


def record(seconds, spread=0.001, **changes):
    return factory.record(CASE, timing=factory.timing(seconds, spread=spread), **changes)


class TestIsTooSlow:
    @pytest.mark.parametrize(
        ("head", "limit", "expected"),
        [
            (1.2, 0.1, True),
            (1.2, 0.25, False),
            (1.12, 0.1, True),
            (1.08, 0.1, False),
            (1.0, 0.0, False),
            (0.5, 0.0, False),
            (1.03, 0.02, True),  # within the tolerance of a verdict, but the user asked for 2%
            (3.0, 1.0, True),
            (1.9, 1.0, False),  # 90% more time, although the ratio is 0.53
        ],
    )
    def test_time_in_head_is_compared_with_base_plus_the_limit(self, head, limit, expected):
        assert is_too_slow(row(record(1.0), record(head)), limit) is expected

    def test_interval_must_be_beyond_the_limit_entirely(self):
        wide = row(record(1.0, spread=0.3), record(1.2, spread=0.3))
        assert wide.ratio < 1 / 1.1 < wide.interval[1]
        assert not is_too_slow(wide, 0.1)

    def test_figure_without_an_interval_is_never_too_slow(self):
        assert not is_too_slow(row(record(1.0), factory.record(CASE, 9.0, count=4)), 0.1)

    @pytest.mark.parametrize("busy", ["base", "head"])
    def test_figure_that_cannot_be_trusted_is_never_too_slow(self, busy):
        base, head = record(1.0), record(9.0)
        pair = (factory.contended(base), head) if busy == "base" else (base, factory.contended(head))
        assert is_too_slow(row(base, head), 0.1)
        assert not is_too_slow(row(*pair), 0.1)
