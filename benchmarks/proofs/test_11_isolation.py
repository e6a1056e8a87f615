"""What a process of its own changes about a case: nothing. Isolated and in this process, measured in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest

from bench_core import Case, workloads
from bench_core.core.case import Effort
from bench_core.execution.isolation import run_isolated
from bench_core.execution.runner import run_case

PrintLine = Callable[[str], None]

EFFORT = Effort(rel_ci=0.01, max_time=2.0)
ROUNDS, MOST = 7, 0.02
"""The rounds of two pairs, and how far off the median ratio may be."""
CASES = (
    Case("gemm", batch_size=512, threads=1),
    Case("gemm", batch_size=1024),
    Case("activations_losses", batch_size=2**20),
    Case("conv2d_grid", batch_size=64, setting="k3s1p1-64x64"),
    Case("mlp_train", batch_size=64, threads=1),
    Case("mlp_train", batch_size=1024),
    Case("lstm_ar_train", batch_size=32, setting="T5h64", threads=1),
    Case("cnn_mnist_train", batch_size=64),
)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_isolated_and_in_process_figures_agree(case: Case, print_line: PrintLine) -> None:
    workload = workloads.get(case.workload)

    def isolated() -> float:
        return run_isolated(workload, case, EFFORT)[0].median

    def in_process() -> float:
        return run_case(workload, case, EFFORT)[0].median

    ratios, controls = [], []
    for _ in range(ROUNDS):
        a, b, c, d = in_process(), isolated(), isolated(), in_process()
        ratios += [b / a, c / d]
        controls += [d / a, c / b]
    ratio, control = statistics.median(ratios), statistics.median(controls)
    print_line(
        f"isolated / in process, {case.id}: {ratio:.4f} (from {min(ratios):.4f} to {max(ratios):.4f} in "
        f"{len(ratios)} pairs); repeated in the same way {control:.4f}"
    )
    assert abs(ratio - 1) <= MOST
