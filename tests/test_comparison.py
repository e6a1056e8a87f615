"""Verdicts, and two runs beside each other."""

import math

import factory
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.comparison import DESCRIPTIVE, Verdict, compare, verdict
from bench_core.core.case import Case

GPU_CASE = Case("mlp_train", device="cuda", batch_size=64)
CPU_CASE = Case("mlp_train", batch_size=64)


def one_run(*records, **facts):
    return factory.run(records, **facts)


def only(found):
    assert len(found) == 1
    return found[0]


class TestVerdict:
    @pytest.mark.parametrize(
        ("interval", "expected"),
        [
            ((1.2, 1.4), Verdict.FASTER),
            ((0.5, 0.9), Verdict.SLOWER),
            ((0.96, 1.04), Verdict.SAME),
            ((0.9, 1.2), Verdict.UNCLEAR),
            ((1.01, 1.04), Verdict.SAME),  # sure, but smaller than the tolerance
            ((0.96, 0.99), Verdict.SAME),
            ((1.01, 1.06), Verdict.FASTER),
            ((0.94, 0.99), Verdict.SLOWER),
            ((0.95, 1.05), Verdict.SAME),  # the ends belong to it
            ((1.0, 1.2), Verdict.UNCLEAR),  # 1 is not wholly above 1
            ((0.8, 1.0), Verdict.UNCLEAR),
            (None, Verdict.UNCLEAR),
        ],
    )
    def test_by_interval(self, interval, expected):
        assert verdict(interval) is expected

    def test_without_tolerance_only_1_itself_is_the_same(self):
        assert verdict((1.001, 1.002), 0.0) is Verdict.FASTER
        assert verdict((1.0, 1.0), 0.0) is Verdict.SAME

    @pytest.mark.parametrize("tolerance", [-0.01, 1.0, math.nan, math.inf])
    def test_a_senseless_tolerance_is_refused(self, tolerance):
        with pytest.raises(ValueError, match="tolerance"):
            verdict((1.0, 2.0), tolerance)

    @given(st.floats(0.01, 100.0), st.floats(1.0, 10.0), st.floats(0.0, 0.5))
    def test_faster_and_slower_never_hold_1(self, low, factor, tolerance):
        interval = (low, low * factor)
        found = verdict(interval, tolerance)
        if found in (Verdict.FASTER, Verdict.SLOWER):
            assert not interval[0] <= 1.0 <= interval[1]
            assert max(abs(end - 1.0) for end in interval) > tolerance


class TestCompare:
    def test_faster_means_the_head(self):
        base, head = one_run(factory.record(CPU_CASE, 2.0)), one_run(factory.record(CPU_CASE, 1.0))
        row = only(compare(base, head))
        assert (row.kind, row.verdict) == ("descriptive", Verdict.FASTER)
        assert row.ratio == pytest.approx(2.0)
        assert only(compare(head, base)).verdict is Verdict.SLOWER

    def test_a_case_on_one_side_only_is_missing(self):
        base, head = one_run(factory.record(CPU_CASE)), one_run(factory.record(GPU_CASE))
        rows = compare(base, head)
        assert [row.verdict for row in rows] == [Verdict.MISSING, Verdict.MISSING]
        assert [row.case for row in rows] == [CPU_CASE, GPU_CASE]

    def test_the_tolerance_is_obeyed(self):
        base = one_run(factory.record(CPU_CASE, 1.1, timing=factory.timing(1.1, spread=1e-4)))
        head = one_run(factory.record(CPU_CASE, 1.0, timing=factory.timing(1.0, spread=1e-4)))
        assert only(compare(base, head)).verdict is Verdict.FASTER
        assert only(compare(base, head, tolerance=0.2)).verdict is Verdict.SAME

    def test_another_machine_or_torch_is_said(self):
        other = factory.machine(gpu=False, torch="2.12.0")
        row = only(compare(one_run(factory.record(CPU_CASE)), one_run(factory.record(CPU_CASE), on=other)))
        assert row.across_machines
        assert row.notes[1] == "torch 2.11.0 against 2.12.0"

    @given(st.floats(1e-6, 10.0), st.floats(1e-6, 10.0))
    def test_swapping_the_runs_inverts_ratio_and_interval(self, a, b):
        runs = one_run(factory.record(CPU_CASE, a)), one_run(factory.record(CPU_CASE, b))
        there, back = only(compare(*runs)), only(compare(*reversed(runs)))
        assert there.ratio * back.ratio == pytest.approx(1.0)
        assert there.interval[0] * back.interval[1] == pytest.approx(1.0)
        assert there.interval[0] <= there.ratio <= there.interval[1]

    def test_the_label_says_that_no_test_is_made(self):
        assert "no test is made" in DESCRIPTIVE
