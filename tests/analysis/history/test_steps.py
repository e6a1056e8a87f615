"""Regressions and improvements: which runs they are between, and their order."""

import pytest

from bench_core.analysis.history.steps import find_steps
from tests.support.values import collected, noisy, origin, values


def steps_of(*series):
    return find_steps(collected(*series))


def test_a_step_upward_is_a_regression_between_two_runs():
    findings = steps_of(values(noisy([(25, 1e-3), (15, 1.1e-3)])))
    (step,) = findings.regressions
    assert (step.previous, step.first) == (origin(24), origin(25))
    assert step.point.ratio == pytest.approx(1.1, rel=0.02)
    assert (step.undone, step.recovery, findings.improvements) == (None, False, ())


def test_a_step_downward_is_an_improvement():
    findings = steps_of(values(noisy([(25, 1e-3), (15, 0.8e-3)])))
    assert findings.regressions == ()
    assert [step.first for step in findings.improvements] == [origin(25)]


def test_a_regression_that_recovers_names_the_run_and_the_step_back_is_a_recovery():
    findings = steps_of(values(noisy([(20, 1.0), (15, 1.2), (20, 1.0)])))
    (up,), (down,) = findings.regressions, findings.improvements
    assert up.undone == down.first == origin(35)
    assert down.recovery
    assert not up.recovery


def test_the_newest_step_comes_first_and_of_the_same_run_the_largest():
    findings = steps_of(
        values(noisy([(20, 1.0), (20, 1.1)]), "early"),
        values(noisy([(30, 1.0), (10, 1.1)], seed=1), "late and small"),
        values(noisy([(30, 1.0), (10, 1.5)], seed=2), "late and large"),
    )
    assert [step.series.id.case for step in findings.regressions] == ["late and large", "late and small", "early"]


def test_short_series_are_counted_and_have_no_steps():
    findings = steps_of(
        values(noisy([(5, 1.0), (4, 2.0)]), "short"), values(noisy([(5, 1.0), (5, 2.0)]), "long enough")
    )
    assert findings.too_short == 1
    assert [of.series.id.case for of in findings.series if of.too_short] == ["short"]
    assert [step.series.id.case for step in findings.regressions] == ["long enough"]


def test_a_step_near_the_end_is_a_candidate():
    (step,) = steps_of(values(noisy([(40, 1.0), (4, 1.3)]))).regressions
    assert step.point.candidate


def test_machines_have_steps_of_their_own():
    numbers = noisy([(20, 1.0)])
    findings = steps_of(values(numbers), values([2 * n for n in numbers], machine="another"))
    assert len(findings.series) == 2
    assert findings.regressions == findings.improvements == ()
