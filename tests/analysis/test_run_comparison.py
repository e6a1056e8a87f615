"""Two runs compared: which cases, in which order, and what only one has."""

import pytest

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.run_comparison import compare_two
from bench_core.core.case import Case
from bench_core.core.errors import RecordError
from bench_core.core.records import NotRun, Outcome
from tests.support import factory

LATER = "2026-05-05T00:00:00+00:00"


def run_of(times, started="2026-01-01T00:00:00+00:00", **facts):
    """A run of workloads with these times."""
    timings = {name: factory.timing(seconds, spread=0.001) for name, seconds in times.items()}
    records = [factory.record(Case(name, batch_size=8), timing=timing) for name, timing in timings.items()]
    return factory.run(records, started=started, **facts)


def test_rows_are_the_common_cases_the_slowest_first():
    base = run_of({"same": 1.0, "fast": 1.0, "slow": 1.0, "slower": 1.0, "gone": 1.0})
    head = run_of({"fast": 0.5, "same": 1.0, "slow": 1.5, "slower": 2.0, "new": 1.0, "newer": 1.0}, LATER)
    runs = compare_two(base, head)
    assert [row.case.workload for row in runs.rows] == ["slower", "slow", "fast", "same"]
    assert runs.counts == {Verdict.SLOWER: 2, Verdict.UNCLEAR: 0, Verdict.FASTER: 1, Verdict.SAME: 1}
    assert [case.workload for case in runs.only_base] == ["gone"]
    assert [case.workload for case in runs.only_head] == ["new", "newer"]


def test_runs_without_a_common_case_are_refused():
    with pytest.raises(RecordError, match=r"have no case in common \(1 and 2 cases\)"):
        compare_two(run_of({"a": 1.0}), run_of({"b": 1.0, "c": 1.0}))


def test_too_slow_are_the_cases_beyond_the_limit_and_none_without_one():
    base, head = run_of({"a": 1.0, "b": 1.0}), run_of({"a": 1.3, "b": 1.08}, LATER)
    assert [row.case.workload for row in compare_two(base, head, 0.1).too_slow] == ["a"]
    assert compare_two(base, head).too_slow == ()


def test_notes_name_the_cases_that_they_are_about():
    base, head = run_of({"a": 1.0, "b": 1.0}), run_of({"a": 1.0, "b": 1.0}, LATER, on=factory.machine(torch="2.12.0"))
    notes = compare_two(base, head).notes
    assert {note: [case.workload for case in cases] for note, cases in notes.items()} == {
        "torch 2.11.0 against 2.12.0": ["a", "b"]
    }


def test_reasons_are_given_for_cases_that_only_the_other_run_has():
    failed, elsewhere = (NotRun(Case(name, batch_size=8).id, Outcome.FAILED, "it broke") for name in ("b", "z"))
    base, head = run_of({"a": 1.0, "b": 1.0}), run_of({"a": 1.0}, LATER, not_run=[failed, elsewhere])
    assert compare_two(base, head).without_figure == ((), (failed,))
    assert compare_two(head, base).without_figure == ((failed,), ())


def test_what_one_run_has_under_autocast_and_the_other_stored_is_not_compared_and_named():
    def run(variant, started):
        return factory.run(
            [
                factory.record(Case("infer", batch_size=8, dtype="bf16", variant=variant)),
                factory.record(Case("infer", batch_size=8)),
            ],
            started=started,
        )

    runs = compare_two(run("autocast", "2026-01-01T00:00:00+00:00"), run("eager", LATER))
    assert [row.case.dtype for row in runs.rows] == ["fp32"]
    ((base, head),) = runs.cast_otherwise
    assert (base.variant, head.variant) == ("autocast", "eager")
    assert compare_two(run("eager", "2026-01-01T00:00:00+00:00"), run("eager", LATER)).cast_otherwise == ()
