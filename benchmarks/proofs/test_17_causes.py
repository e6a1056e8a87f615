"""Causes: the ceiling is what work can reach, counting disturbs nothing, and known work has its known regime."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from test_7_bare_loop import calls_in_a_block, paired, seconds

from bench_core import Case, workloads
from bench_core.analysis.causes import figures_of
from bench_core.analysis.regimes import Regime, bound
from bench_core.core.case import Effort
from bench_core.core.step import Step
from bench_core.execution.extra_call import counted_call, extra_call
from bench_core.execution.runner import memory_at_rest, run_case
from bench_core.execution.studies.ceilings import CPU_SIDES, inferred_product, measured

Run = Callable[[int], object]
SIDE, ROUNDS, PAIRS = 2048, 10, 60
COUNTED = (
    Case("gemm", batch_size=512),
    Case("mlp_train", batch_size=64),
    Case("mlp_infer", batch_size=64),
    Case("cnn_mnist_train", batch_size=64),
    Case("conv2d_grid", batch_size=4),
    Case("lstm_ar_train", batch_size=32),
    Case("gan_step", batch_size=100),
    Case("activations_losses", batch_size=2**16),
)
KNOWN = {
    Case("gemm", batch_size=2048): Regime.COMPUTE,
    Case("activations_losses", batch_size=2**24): Regime.BANDWIDTH,
    Case("mlp_train", batch_size=1): Regime.HOST,
    Case("mnist_epoch_e2e", batch_size=64, setting="w0"): Regime.LOADER,
}


def repeated(call: Callable[[], object]) -> Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            call()

    return run


def test_gemm_reaches_the_ceiling_and_numpy_is_as_fast(print_line: Callable[[str], None]) -> None:
    step = workloads.build(Case("gemm", batch_size=SIDE))
    left, right = np.random.default_rng(0).standard_normal((2, SIDE, SIDE)).astype(np.float32)
    runs = {f"ceiling {side}": (repeated(product(side)), side) for side in CPU_SIDES}
    runs |= {"gemm": (repeated(step), SIDE), "numpy": (repeated(lambda: left @ right), SIDE)}
    flops: dict[str, list[float]] = {name: [] for name in runs}
    calls = {name: calls_in_a_block(run) for name, (run, _) in runs.items()}
    for turn in range(ROUNDS):
        for name in list(runs)[:: 1 if turn % 2 else -1]:
            run, side = runs[name]
            flops[name].append(2.0 * side**3 * calls[name] / seconds(run, calls[name]))
    medians = {name: statistics.median(values) for name, values in flops.items()}
    peak = max(medians[f"ceiling {side}"] for side in CPU_SIDES)
    shares = ", ".join(f"{name} {100 * value / peak:.1f}%" for name, value in medians.items())
    print_line(f"share of the ceiling of {peak / 1e9:.0f} GFLOP/s on {torch.get_num_threads()} threads: {shares}")
    assert 0.95 <= medians["gemm"] / peak <= 1.05


def product(side: int) -> Callable[[], object]:
    """The product that the study takes for the ceiling."""
    factors = torch.randn(2, side, side)
    return lambda: inferred_product(*factors)


def test_counting_leaves_the_times_as_they_are(print_line: Callable[[str], None]) -> None:
    ratios = []
    for case in COUNTED:
        step = workloads.build(case)
        ratio, interval = with_and_without(step, case)
        ratios.append(ratio)
        print_line(f"{case.id}: after counting / before {ratio:.4f} ({interval[0]:.3f} to {interval[1]:.3f})")
    print_line(f"the median of {len(ratios)} cases: {statistics.median(ratios):.4f}")
    assert abs(statistics.median(ratios) - 1) <= 0.01


def with_and_without(step: Step, case: Case) -> tuple[float, tuple[float, float]]:
    """The time of a block after a counted call, divided by that of one after a plain call, in turns. Before each block
    the process comes to rest and warms up, as before each case."""
    run = repeated(step)
    calls = calls_in_a_block(run)
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(PAIRS):
        for counted in (True, False) if turn % 2 else (False, True):
            if counted:
                counted_call(step, case, None, before=0)
            else:
                step()
            memory_at_rest()
            run(calls)
            times[counted].append(seconds(run, calls))
    return paired(times[True], times[False])


def test_known_work_has_its_regime(print_line: Callable[[str], None]) -> None:
    ceilings = measured("cpu")
    found = {}
    for case, expected in KNOWN.items():
        _, record = run_case(workloads.get(case.workload), case, Effort())
        decided = bound(figures_of(record), ceilings)
        assert decided is not None
        found[case] = decided.regime
        parts = ", ".join(f"{part} {1e3 * least:.3g} ms" for part, least in decided.parts.items() if least)
        print_line(f"{case.id}: {decided.regime} (expected {expected}), {1e3 * decided.seconds:.3g} ms; least: {parts}")
    assert found == KNOWN


def test_the_peak_of_memory_is_that_of_the_step(print_line: Callable[[str], None]) -> None:
    peaks = {}
    for size in (2_000_000_000, 500_000_000):
        before = memory_at_rest()
        step = Step(fn=partial(use, size), units=1, flops=None, devices=("cpu",), data="")
        step()
        peaks[size] = extra_call(step, before).peak_host_memory
    print_line("; ".join(f"{size / 1e6:.0f} MB used, peak {(peak or 0) / 1e6:.0f} MB" for size, peak in peaks.items()))
    assert all(peak == pytest.approx(size, rel=0.05) for size, peak in peaks.items())


def use(size: int) -> torch.Tensor:
    """Allocate, touch and free so many bytes."""
    return torch.empty(size, dtype=torch.uint8).fill_(1)[:1].clone()
