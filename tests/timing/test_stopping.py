"""The stopping rule: how many samples are taken before each look, and why it stops."""

import numpy as np

from bench_core.timing.stopping import MIN_PILOT, PILOT, IntervalTarget

NOISY = list(np.random.default_rng(3).normal(1.0, 0.1, 4000))


def test_the_pilot_is_smaller_for_slow_work_but_never_too_small_for_an_interval() -> None:
    rule = IntervalTarget(0.02, 0.95)
    assert rule.pilot(10**6) == PILOT
    assert rule.pilot(60) == 15
    assert rule.pilot(1) == MIN_PILOT


def test_equal_samples_stop_at_the_first_look() -> None:
    rule = IntervalTarget(0.02, 0.95)
    assert rule.more([1.0] * 28, 10**6) == 0
    assert rule.reasons()[-1].endswith("target of 2% met")


def test_looks_are_few_and_far_between() -> None:
    rule = IntervalTarget(1e-9, 0.95)
    n, looks = PILOT, 0
    while n < len(NOISY):
        step = rule.more(NOISY[:n], 10**6)
        assert 0.05 * n <= step <= n + 1
        n, looks = n + step, looks + 1
    assert looks == len(rule.reasons())
    assert looks < 12


def test_near_the_target_the_steps_become_small() -> None:
    # Of 200 such samples the half-width is about 1.25 * 1.96 * 0.1 / sqrt(200) = 1.7%.
    assert IntervalTarget(0.015, 0.95).more(NOISY[:200], 10**6) <= 20


def test_forecasts_stay_within_what_the_time_allows() -> None:
    rule = IntervalTarget(1e-6, 0.95)
    assert rule.more(NOISY[:100], affordable=5) == 5
    assert rule.more(NOISY[:105], affordable=0) == 0
    assert "cap" in rule.reasons()[-1]


def test_correlated_samples_need_more() -> None:
    blocky = [1.0 + 0.1 * ((i // 10) % 2) + 0.001 * ((i * 7) % 11) for i in range(100)]
    rule = IntervalTarget(0.02, 0.95)
    assert rule.more(blocky, 10**6) > 0
    assert "(100 effective)" not in rule.reasons()[-1]
