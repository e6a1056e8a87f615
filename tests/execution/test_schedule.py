"""The schedule of a sweep, on a clock that only the test moves."""

import pytest

from bench_core.core.case import Case
from bench_core.core.results import Contention
from bench_core.execution.schedule import (
    FEW_CALLS,
    FIRST_SHARE,
    MEASURE_FACTOR,
    MIN_CALLS,
    MIN_LIMIT,
    Cost,
    Planned,
    Schedule,
)
from tests.support import factory


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def schedule(costs, budget=None, limit=1.0, others=None):
    clock = Clock()
    cases = {name: Planned(cost, limit) for name, cost in costs.items()}
    return Schedule(cases, others or {}, budget, clock), clock


def run(plan: Schedule, clock: Clock, slower: float, costs, limit=1.0) -> tuple[list[str], list[float]]:
    """Run all cases as a sweep does, each ``slower`` times as long as expected; what was run, and the limits."""
    ran, limits = [], []
    for name in sorted(costs, key=plan.weight):
        if not plan.fits(name):
            continue
        limits.append(plan.limit(name))
        clock.now += slower * costs[name].seconds(limits[-1])
        plan.note_done(name, limits[-1], again=limits[-1] < limit)
        ran.append(name)
    return ran, limits


def test_a_case_costs_its_fixed_seconds_and_its_samples_or_the_fewest_calls():
    assert Cost(fixed=1.0, call=0.001).seconds(2.0) == 1.0 + MEASURE_FACTOR * 2.0
    assert Cost(fixed=1.0, call=3.0).seconds(2.0) == 1.0 + MIN_CALLS * 3.0
    assert Cost(fixed=1.0, call=10.0).seconds(2.0) == 1.0 + FEW_CALLS * 10.0
    record = factory.record(Case("gemm"), wall_seconds=9.0, contention=Contention(2.0, 0, None, 0.0))
    assert Cost.of(record) == Cost(fixed=7.0, call=record.timing.median)


def test_without_a_budget_every_case_has_its_time_and_its_place():
    plan, clock = schedule({"heavy": Cost(50.0, 1.0), "light": Cost(0.1, 0.001)})
    clock.now = 1e6
    assert [plan.weight("heavy"), plan.weight("light")] == [0.0, 0.0]
    assert plan.limit("heavy") == 1.0
    assert plan.fits("heavy")


def test_a_budget_that_suffices_shortens_nothing():
    costs = {f"case {i}": Cost(0.5, 0.001) for i in range(10)}
    plan, clock = schedule(costs, budget=100.0)
    ran, limits = run(plan, clock, 1.0, costs)
    assert len(ran) == 10
    assert limits == [1.0] * 10


@pytest.mark.parametrize("slower", [0.3, 1.0, 2.0, 4.0])
def test_first_figures_of_all_cases_end_within_the_budget_whatever_the_pace(slower):
    costs = {f"case {i}": Cost(0.2 + 0.002 * i, 0.001) for i in range(100)}
    plan, clock = schedule(costs, budget=150.0)
    ran, limits = run(plan, clock, slower, costs)
    assert min(limits) >= MIN_LIMIT
    assert clock.now <= 150.0
    if slower <= 2.0:
        assert len(ran) == 100
        assert clock.now >= 0.5 * min(slower, 1.0) * FIRST_SHARE * 150.0


def test_what_does_not_fit_is_left_out_the_heaviest_first():
    costs = {"heavy": Cost(500.0, 1.0), "light": Cost(0.1, 0.001), "medium": Cost(5.0, 0.1)}
    plan, clock = schedule(costs, budget=60.0)
    ran, _ = run(plan, clock, 1.0, costs)
    assert ran == ["light", "medium"]
    assert not plan.fits("heavy")


def test_a_study_that_does_not_fit_is_left_out():
    plan, clock = schedule({}, budget=60.0, others={"ladder-cpu": 30.0})
    assert plan.fits("ladder-cpu")
    clock.now = 45.0
    assert not plan.fits("ladder-cpu")


def test_the_time_left_is_right_at_the_pace_so_far():
    costs = {f"case {i}": Cost(1.0, 0.001) for i in range(100)}
    plan, clock = schedule(costs)
    for name in list(costs)[:20]:
        clock.now += 3.0 * costs[name].seconds(1.0)
        plan.note_done(name, 1.0)
    truth = 80 * 3.0 * costs["case 0"].seconds(1.0)
    assert plan.left() == pytest.approx(truth, rel=0.15)


def test_the_time_left_includes_refining_up_to_the_budget():
    costs = {f"case {i}": Cost(0.1, 0.001) for i in range(10)}
    plan, clock = schedule(costs, budget=20.0, limit=5.0)
    ran, limits = run(plan, clock, 1.0, costs, limit=5.0)
    assert len(ran) == 10
    assert max(limits) < 5.0
    assert plan.left() == pytest.approx(20.0 - clock.now)


def test_the_forecast_of_a_tenth_of_the_way_is_compared_with_the_truth():
    costs = {f"case {i}": Cost(1.0, 0.001) for i in range(50)}
    plan, clock = schedule(costs)
    for name in costs:
        clock.now += costs[name].seconds(1.0)
        plan.note_done(name, 1.0)
        plan.left()
    assert plan.forecast
    expected, took = plan.forecast
    assert expected == pytest.approx(took, rel=0.01)
    assert took == pytest.approx(0.9 * clock.now, rel=0.05)


def test_what_is_taken_over_from_an_earlier_process_does_not_change_the_pace():
    costs = {f"case {i}": Cost(1.0, 0.001) for i in range(10)}
    plan, clock = schedule(costs, others={"ladder-cpu": 15.0})
    clock.now = 1.0
    before = plan.pace
    for name in ("case 0", "case 1", "ladder-cpu"):
        plan.note_taken_over(name)
    assert (plan.done, plan.pace) == (3, before)
    assert plan.left() == pytest.approx(before * 8 * costs["case 0"].seconds(1.0))
