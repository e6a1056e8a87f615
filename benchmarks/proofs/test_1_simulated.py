"""Coverage of the intervals and cost of the stopping rule, on simulated timings."""

from collections.abc import Callable

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

PrintLine = Callable[[str], None]

RUNS = 2000
ALL = INDEPENDENT | CORRELATED


@pytest.mark.parametrize("rel", [0.02, 0.01])
@pytest.mark.parametrize("name", ALL)
def test_coverage(name: str, rel: float, print_line: PrintLine) -> None:
    own = coverage(ALL[name], rel, RUNS)
    peer = coverage(ALL[name], rel, RUNS // 4, rule=precision_mode, center="mean")
    least = 0.93 if name in INDEPENDENT else 0.90
    print_line(
        f"coverage, {name}, target {rel:.0%}: {own.covered:.1%} of {RUNS} intervals contain the median "
        f"(mean of {own.count:.0f} samples); pytest-benchmark's precision mode: {peer.covered:.1%} contain the mean "
        f"({peer.count:.0f} samples)"
    )
    assert own.covered >= least


@pytest.mark.parametrize("name", INDEPENDENT)
def test_width_against_an_oracle(name: str, print_line: PrintLine) -> None:
    own = coverage(INDEPENDENT[name], 0.01, RUNS)
    print_line(f"width, {name}, target 1%: mean half-width {own.width:.2%}, {own.width / 0.01:.2f} of the oracle's")
    assert own.width <= 1.25 * 0.01


@pytest.mark.parametrize("name", ["normal 5%", "normal 10%", "lognormal 10%"])
def test_samples_to_a_target_on_clean_data(name: str, print_line: PrintLine) -> None:
    needed = oracle_count(quantiles(INDEPENDENT[name]), 0.01)
    own = coverage(INDEPENDENT[name], 0.01, RUNS)
    print_line(f"samples to 1%, {name}: {own.count:.0f}, {own.count / needed:.2f} of the oracle's {needed}")
    assert own.count <= 1.15 * needed


def test_time_to_a_target_with_spikes(print_line: PrintLine) -> None:
    """Each tool is asked for 1% by its own parameter, and continues where our interval on its samples is wider."""
    ten_seconds = 10_000  # the default max_run_time, in samples of a millisecond
    times: dict[str, list[float]] = {"ours": [], "precision mode": [], "adaptive_autorange": []}
    for samples in runs(INDEPENDENT["2% spikes of 10x"], 100, length=100_000):
        times["ours"].append(ours(samples, 0.01).time)
        theirs = to_target(samples, precision_mode(samples, 0.01).count, 0.01)
        times["precision mode"].append(samples[:theirs].sum())
        theirs = to_target(samples, adaptive_autorange(samples, 0.01, ten_seconds), 0.01)
        times["adaptive_autorange"].append(samples[:theirs].sum())
    mean = {name: float(np.mean(values)) for name, values in times.items()}
    for name in ("precision mode", "adaptive_autorange"):
        print_line(f"time to 1% with 2% spikes of 10x, simulated: {mean['ours'] / mean[name]:.3f} of {name}'s")
        assert mean["ours"] <= 0.5 * mean[name]
