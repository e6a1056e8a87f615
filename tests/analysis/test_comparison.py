"""Verdicts, and the comparison of two runs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core import cli
from bench_core.analysis.comparison import Verdict, compare_runs, verdict
from bench_core.core.case import Case
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

    def test_tolerance_widens_what_is_the_same(self):
        base = one_run(factory.record(CPU_CASE, 1.1, timing=factory.timing(1.1, spread=1e-4)))
        head = one_run(factory.record(CPU_CASE, 1.0, timing=factory.timing(1.0, spread=1e-4)))
        assert only(compare_runs(base, head)).verdict is Verdict.FASTER
        assert only(compare_runs(base, head, tolerance=0.2)).verdict is Verdict.SAME

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

    def test_compare_command_gives_the_reason_for_what_it_does_not_judge(self, tmp_path, capsys):
        records = factory.record(CPU_CASE, 2.0), factory.contended(factory.record(CPU_CASE, 1.0))
        paths = [factory.store(one_run(record), tmp_path / f"{i}.json") for i, record in enumerate(records)]
        with pytest.raises(SystemExit) as ended:
            cli.compare(*paths)
        assert ended.value.code == 3
        printed = capsys.readouterr().out
        assert f"UNCLEAR  {CPU_CASE.id}" in printed
        assert printed.count("not judged: head measured beside other work") == 1

    def test_compare_command_prints_that_it_is_not_a_significance_test(self, tmp_path, capsys):
        path = factory.store(one_run(factory.record(CPU_CASE)), tmp_path / "0001_run.json")
        with pytest.raises(SystemExit):
            cli.compare(path, path)
        printed = " ".join(capsys.readouterr().out.split())
        assert "The comparison is descriptive, not a significance test: each side is one process" in printed
