"""Verdicts, and the comparison of two runs."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.comparison import Verdict, compare_runs, verdict
from bench_core.core.case import Case
from bench_core.core.results import Flag, FlagCode
from bench_core.core.trust import HARMLESS
from tests.support import factory

GPU_CASE = Case("mlp_train", device="cuda", batch_size=64)
CPU_CASE = Case("mlp_train", batch_size=64)


def one_run(*records, **facts):
    return factory.run(records, **facts)


def only(items):
    assert len(items) == 1
    return items[0]


class TestVerdict:
    @pytest.mark.parametrize(
        ("interval", "expected"),
        [
            ((1.2, 1.4), Verdict.FASTER),
            ((0.5, 0.9), Verdict.SLOWER),
            ((0.96, 1.04), Verdict.SAME),
            ((0.9, 1.2), Verdict.UNCLEAR),
            ((1.01, 1.04), Verdict.SAME),  # significant, but smaller than the tolerance
            ((0.96, 0.99), Verdict.SAME),
            ((1.01, 1.06), Verdict.FASTER),
            ((0.94, 0.99), Verdict.SLOWER),
            ((0.95, 1.05), Verdict.SAME),  # the tolerance includes its ends
            ((1.0, 1.2), Verdict.UNCLEAR),  # includes 1
            ((0.8, 1.0), Verdict.UNCLEAR),
            (None, Verdict.UNCLEAR),
        ],
    )
    def test_verdict_follows_from_the_interval(self, interval, expected):
        assert verdict(interval) is expected

    def test_tolerance_of_0_makes_only_1_itself_the_same(self):
        assert verdict((1.001, 1.002), 0.0) is Verdict.FASTER
        assert verdict((1.0, 1.0), 0.0) is Verdict.SAME

    @pytest.mark.parametrize("tolerance", [-0.01, 1.0, math.nan, math.inf])
    def test_tolerance_outside_0_to_1_is_refused(self, tolerance):
        with pytest.raises(ValueError, match="tolerance"):
            verdict((1.0, 2.0), tolerance)

    @given(st.floats(0.01, 100.0), st.floats(1.0, 10.0), st.floats(0.0, 0.5))
    def test_interval_of_faster_and_slower_excludes_1(self, low, factor, tolerance):
        interval = (low, low * factor)
        if verdict(interval, tolerance) in (Verdict.FASTER, Verdict.SLOWER):
            assert not interval[0] <= 1.0 <= interval[1]
            assert max(abs(end - 1.0) for end in interval) > tolerance


class TestCompare:
    def test_faster_means_that_head_is_faster(self):
        base, head = one_run(factory.record(CPU_CASE, 2.0)), one_run(factory.record(CPU_CASE, 1.0))
        row = only(compare_runs(base, head))
        assert (row.kind, row.verdict) == ("descriptive", Verdict.FASTER)
        assert row.ratio == pytest.approx(2.0)
        assert only(compare_runs(head, base)).verdict is Verdict.SLOWER

    def test_case_of_one_run_only_is_missing(self):
        base, head = one_run(factory.record(CPU_CASE)), one_run(factory.record(GPU_CASE))
        rows = compare_runs(base, head)
        assert [row.verdict for row in rows] == [Verdict.MISSING, Verdict.MISSING]
        assert [row.case for row in rows] == [CPU_CASE, GPU_CASE]

    def test_different_machine_and_torch_are_noted(self):
        other = factory.machine(gpu=False, torch="2.12.0")
        row = only(compare_runs(one_run(factory.record(CPU_CASE)), one_run(factory.record(CPU_CASE), on=other)))
        assert row.across_machines
        assert row.notes[1] == "torch 2.11.0 against 2.12.0"

    @given(st.floats(1e-6, 10.0), st.floats(1e-6, 10.0))
    def test_swapped_runs_invert_ratio_and_interval(self, a, b):
        runs = one_run(factory.record(CPU_CASE, a)), one_run(factory.record(CPU_CASE, b))
        there, back = only(compare_runs(*runs)), only(compare_runs(*reversed(runs)))
        assert there.ratio * back.ratio == pytest.approx(1.0)
        assert there.interval[0] * back.interval[1] == pytest.approx(1.0)
        assert there.interval[0] <= there.ratio <= there.interval[1]

    @pytest.mark.parametrize(
        ("busy_base", "busy_head", "who"), [(True, False, "base"), (False, True, "head"), (True, True, "base and head")]
    )
    def test_contended_figure_on_either_side_is_not_judged(self, busy_base, busy_head, who):
        base, head = factory.record(CPU_CASE, 2.0), factory.record(CPU_CASE, 1.0)
        base = factory.contended(base) if busy_base else base
        head = factory.contended(head) if busy_head else head
        row = only(compare_runs(one_run(base), one_run(head)))
        assert (row.verdict, row.contended) == (Verdict.UNCLEAR, True)
        assert row.not_judged == f"not judged: {who} measured beside other work"
        assert row.ratio == pytest.approx(2.0)

    @pytest.mark.parametrize(
        "record",
        [
            pytest.param(factory.record(CPU_CASE, timing=factory.timing(1.0, spread=0.5)), id="wide"),
            pytest.param(factory.record(CPU_CASE, count=4), id="no interval"),
            pytest.param(factory.contended(factory.record(CPU_CASE)), id="contended"),
        ],
    )
    def test_a_run_is_the_same_as_itself_but_a_like_measurement_of_another_run_is_not(self, record):
        run, other = one_run(record), one_run(record, started="2026-05-05T00:00:00+00:00")
        row = only(compare_runs(run, run))
        assert (row.verdict, row.ratio, row.interval) == (Verdict.SAME, 1.0, (1.0, 1.0))
        assert row.remarks == ("both sides are the same measurement",)
        assert only(compare_runs(run, other)).verdict is Verdict.UNCLEAR

    def test_another_figure_under_the_id_of_the_same_run_is_judged(self):
        base, head = (one_run(factory.record(CPU_CASE, seconds)) for seconds in (1.0, 2.0))
        assert base.info.run_id == head.info.run_id
        assert only(compare_runs(base, head)).verdict is Verdict.SLOWER

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (FlagCode.NOT_STEADY, "not judged: head not steady at the end of warm-up"),
            (FlagCode.CROSS_CHECK, "not judged: head timed where twice the calls did not take twice the time"),
            (FlagCode.STOLEN_TIME, "not judged: head measured beside other work"),
            ("of_a_newer_version", "not judged: head flagged: its words"),
        ],
    )
    def test_flagged_figure_is_unclear_for_this_reason(self, code, reason):
        flagged = factory.record(CPU_CASE, 1.0, flags=(Flag(code, "its words"),))
        row = only(compare_runs(one_run(factory.record(CPU_CASE, 2.0)), one_run(flagged)))
        assert (row.verdict, row.why_unclear, row.not_judged) == (Verdict.UNCLEAR, reason, reason)

    def test_each_doubt_names_its_sides(self):
        not_steady, contention = Flag(FlagCode.NOT_STEADY, "a"), Flag(FlagCode.CONTENTION, "b")
        base = one_run(factory.record(CPU_CASE, 2.0, flags=(not_steady,)))
        head = one_run(factory.record(CPU_CASE, 1.0, flags=(contention, not_steady)))
        assert only(compare_runs(base, head)).reasons == (
            "base and head not steady at the end of warm-up",
            "head measured beside other work",
        )

    def test_flag_that_leaves_the_time_valid_does_not_hinder_a_verdict(self):
        flags = tuple(Flag(code, "its words") for code in HARMLESS)
        head = one_run(factory.record(CPU_CASE, 1.0, flags=flags))
        row = only(compare_runs(one_run(factory.record(CPU_CASE, 2.0)), head))
        assert (row.verdict, row.why_unclear) == (Verdict.FASTER, "")

    def test_times_of_an_emulated_gpu_are_not_judged_but_those_of_its_cpu_are(self):
        emulated = factory.machine(emulated=True)
        base, head = ([factory.record(case, seconds) for case in (CPU_CASE, GPU_CASE)] for seconds in (2.0, 1.0))
        rows = compare_runs(one_run(*base), one_run(*head, on=emulated))
        assert [row.verdict for row in rows] == [Verdict.FASTER, Verdict.UNCLEAR]
        assert rows[1].why_unclear == "not judged: head run on an emulated GPU"

    def test_unclear_without_a_doubt_has_a_reason_too(self):
        start = "2026-05-05T00:00:00+00:00"
        wide, few = factory.timing(1.0, spread=0.5), factory.timing(1.0, count=4)
        for timing, reason in ((wide, "the interval includes 1"), (few, "a side has no interval")):
            record = factory.record(CPU_CASE, timing=timing)
            row = only(compare_runs(one_run(record), one_run(record, started=start)))
            assert (row.verdict, row.why_unclear) == (Verdict.UNCLEAR, reason)

    def test_samples_of_the_same_run_are_the_same_measurement_whatever_was_derived_from_them(self):
        record = factory.record(CPU_CASE)
        wider = replace(record, timing=replace(record.timing, interval=(1e-4, 1e-2)), flags=(Flag("odd", "x"),))
        assert only(compare_runs(one_run(record), one_run(wider))).verdict is Verdict.SAME
        again = factory.record(CPU_CASE, timing=factory.timing(1e-3, seed=1))
        assert only(compare_runs(one_run(record), one_run(again))).notes == ()
