"""Short forms of the proofs in benchmarks/proofs: the claims on simulated data, and that the other tools can be run."""

import math

import peers
import pytest
import simulation
import torch

from bench_core import Case, workloads
from bench_core.core import stats

RUNS = 400
CYCLE = 32
"""Training calls after which the first state is restored here."""


@pytest.mark.parametrize("name", simulation.INDEPENDENT | simulation.CORRELATED)
def test_intervals_contain_the_median_with_the_stopping_rule_in_use(name: str) -> None:
    result = simulation.coverage((simulation.INDEPENDENT | simulation.CORRELATED)[name], 0.02, RUNS)
    least = 0.93 if name in simulation.INDEPENDENT else 0.90
    # Three standard errors of a proportion of 400 below what 2,000 runs have to show.
    assert result.covered >= least - 3 * math.sqrt(least * (1 - least) / RUNS)
    assert result.width <= 1.25 * 0.02


def test_few_more_samples_are_taken_than_an_oracle_needs() -> None:
    draw = simulation.INDEPENDENT["normal 10%"]
    needed = simulation.oracle_count(simulation.quantiles(draw), 0.01)
    assert simulation.coverage(draw, 0.01, RUNS).count <= 1.15 * needed


def test_an_oracle_needs_what_theory_says() -> None:
    # The median's standard error is 1.2533 s / sqrt(n); order statistics are a little wider for being discrete.
    needed = simulation.oracle_count(simulation.quantiles(simulation.INDEPENDENT["normal 10%"]), 0.01)
    assert needed == pytest.approx((1.96 * 1.2533 * 0.1 / 0.01) ** 2, rel=0.05)


def test_spikes_cost_other_tools_many_times_our_samples() -> None:
    ours = precision = adaptive = 0.0
    for samples in simulation.runs(simulation.INDEPENDENT["2% spikes of 10x"], 20, length=100_000):
        ours += simulation.ours(samples, 0.01).time
        precision += simulation.precision_mode(samples, 0.01).time
        adaptive += samples[: simulation.adaptive_autorange(samples, 0.01, 10_000)].sum()
    assert ours < 0.5 * precision
    assert ours < 0.5 * adaptive


class PlainPython:
    """A step without torch: on a busy machine, threads that wait for each other make a call a hundred times longer."""

    devices = ("cpu",)

    def __call__(self) -> int:
        return sum(range(3000))


@pytest.mark.parametrize("tool", [peers.ours, peers.precision_mode, peers.adaptive_autorange])
def test_every_tool_gives_its_raw_samples_in_seconds_per_call(tool: peers.Tool) -> None:
    samples = tool(PlainPython(), 0.05, 0.1)
    assert samples.values
    assert samples.seconds >= sum(samples.values)
    # All are seconds per call, though the machine may be busy: those of a block of calls would be off by far more.
    reference = stats.median(peers.ours(PlainPython(), 0.05, 0.1).values)
    assert reference / 20 < stats.median(samples.values) < reference * 20


@pytest.mark.parametrize("name", ["mlp_train", "lstm_ar_train"])
def test_training_is_restored_to_its_first_state(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", CYCLE)
    step = workloads.build(Case(name, batch_size=8))
    first = [p.detach().clone() for p in step.modules["model"].parameters()]
    for _ in range(CYCLE):
        step()
    assert any(not torch.equal(p, q) for p, q in zip(step.modules["model"].parameters(), first, strict=True))
    step()  # restored before this call, so one step away from the start
    again = [p.detach().clone() for p in step.modules["model"].parameters()]
    fresh = workloads.build(Case(name, batch_size=8))
    for _ in range(CYCLE + 1):
        fresh()
    for p, q in zip(again, fresh.modules["model"].parameters(), strict=True):
        assert torch.equal(p, q)
    assert max(float((p - q).abs().max()) for p, q in zip(again, first, strict=True)) < 0.01
