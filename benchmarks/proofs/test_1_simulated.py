"""Coverage of the intervals and cost of the stopping rule, on simulated timings."""

import numpy as np
import pytest
from simulation import (
    CORRELATED,
    INDEPENDENT,
    adaptive_autorange,
    coverage,
    oracle_count,
    ours,
    precision_mode,
    quantiles,
    runs,
    to_target,
)

RUNS = 2000
ALL = INDEPENDENT | CORRELATED


@pytest.mark.parametrize("rel", [0.02, 0.01])
@pytest.mark.parametrize("name", ALL)
def test_coverage(name, rel, tell):
    found = coverage(ALL[name], rel, RUNS)
    peer = coverage(ALL[name], rel, RUNS // 4, rule=precision_mode, center="mean")
    least = 0.93 if name in INDEPENDENT else 0.90
    tell(
        f"coverage, {name}, target {rel:.0%}: {found.held:.1%} of {RUNS} intervals hold the median "
        f"(mean of {found.count:.0f} samples); pytest-benchmark's precision mode: {peer.held:.1%} hold the mean "
        f"({peer.count:.0f} samples)"
    )
    assert found.held >= least


@pytest.mark.parametrize("name", INDEPENDENT)
def test_width_against_an_oracle(name, tell):
    found = coverage(INDEPENDENT[name], 0.01, RUNS)
    tell(f"width, {name}, target 1%: mean half width {found.width:.2%}, {found.width / 0.01:.2f} of the oracle's")
    assert found.width <= 1.25 * 0.01


@pytest.mark.parametrize("name", ["normal 5%", "normal 10%", "lognormal 10%"])
def test_samples_to_a_target_on_clean_data(name, tell):
    needed = oracle_count(quantiles(INDEPENDENT[name]), 0.01)
    found = coverage(INDEPENDENT[name], 0.01, RUNS)
    tell(f"samples to 1%, {name}: {found.count:.0f}, {found.count / needed:.2f} of the oracle's {needed}")
    assert found.count <= 1.15 * needed


def test_time_to_a_target_with_spikes(tell):
    """Each peer is asked for 1% by its own parameter, and made to go on where the yardstick is not reached."""
    ten_seconds = 10_000  # the default max_run_time, in samples of a millisecond
    times = {"ours": [], "precision mode": [], "adaptive_autorange": []}
    for samples in runs(INDEPENDENT["2% spikes of 10x"], 100, length=100_000):
        times["ours"].append(ours(samples, 0.01).time)
        theirs = to_target(samples, precision_mode(samples, 0.01).count, 0.01)
        times["precision mode"].append(samples[:theirs].sum())
        theirs = to_target(samples, adaptive_autorange(samples, 0.01, ten_seconds), 0.01)
        times["adaptive_autorange"].append(samples[:theirs].sum())
    mean = {name: float(np.mean(values)) for name, values in times.items()}
    for name in ("precision mode", "adaptive_autorange"):
        tell(f"time to 1% with 2% spikes of 10x, simulated: {mean['ours'] / mean[name]:.3f} of {name}'s")
        assert mean["ours"] <= 0.5 * mean[name]
