"""Checks of the harness itself, as ratios of times taken in turn in one run; run only when this file is named."""

import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench_core import Case, Step, measure, workloads

pytestmark = pytest.mark.bench_harness

ROOT = Path(__file__).parents[1]
CASES = (
    Case("gemm", batch_size=256),
    Case("mlp_train", batch_size=64),
    Case("mlp_infer", batch_size=1),
    Case("conv2d_grid", batch_size=1),
    Case("resblock_identity", batch_size=1),
    Case("lstm_ar_train", batch_size=32),
    Case("deeplabv3_r50_infer", batch_size=1),
    Case("pix2pix256_step", batch_size=1),
)


def ratios(step: Step, rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """Ours against torch's Timer, and Timer against Timer, in turn."""
    import torch
    from torch.utils.benchmark import Timer

    timer = Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())

    def theirs() -> float:
        return timer.blocked_autorange(min_run_time=seconds).median

    ours, control = [], []
    for _ in range(rounds):
        first = theirs()
        mine = measure(step, step.devices, max_time=seconds).median
        second = theirs()
        # Compared with the geometric mean of the two around it, so that a steady drift of the machine cancels.
        ours.append(mine / math.sqrt(first * second))
        control.append(second / first)
    return ours, control


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_our_median_is_that_of_torchs_timer(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    step = workloads.build(case)
    heavy = workloads.get(case.workload).heavy
    ours, control = ratios(step, rounds=3 if heavy else 7, seconds=2.0 if heavy else 0.3)
    ratio = statistics.median(ours)
    spread = max(abs(math.log(r)) for r in control)
    with capsys.disabled():
        print(f"\n{case.id:<40s} ours/Timer {ratio:.4f}   Timer/Timer spread ±{100 * spread:.1f}%", end="")
    assert 0.98 <= ratio <= 1.02 or abs(math.log(ratio)) <= spread


def test_collecting_the_benchmarks_costs_little_more_than_torch(capsys: pytest.CaptureFixture[str]) -> None:
    def seconds(*arguments: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
        return time.perf_counter() - start

    torch_alone, collecting = [], []
    for _ in range(5):
        torch_alone.append(seconds("-c", "import torch"))
        collecting.append(seconds("-m", "pytest", "benchmarks", "--collect-only", "-q"))
    ratio = statistics.median(collecting) / statistics.median(torch_alone)
    with capsys.disabled():
        print(f"\ncollect-only / import torch: {ratio:.2f}", end="")
    assert ratio <= 1.5
