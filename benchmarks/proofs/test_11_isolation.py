"""What a process of its own changes about a case: nothing.

A process that has measured other cases and a fresh one that measures this case alone take turns in short blocks, as in
a gate. Measured one after the other, the two would differ by the noise of the machine alone: by up to 20% here. Work
on tensors of several MiB is left out: how its pages lie in the caches differs from process to process, by 8% here.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from bench_core.analysis.gate.ratio import log_ratio
from bench_core.core.case import Case
from bench_core.execution.pairing.guard import Guard
from bench_core.execution.pairing.pairs import Pairing, Turns, greeted
from bench_core.execution.pairing.remote import Remote
from bench_core.execution.pairing.sides import Side
from bench_core.hardware.machine import usable_cpus

ROOT = Path(__file__).parents[2]
ROUNDS, MOST = 10, 0.02
"""The fresh processes of each case, and how far off the median ratio may be."""
TURNS = Turns(seconds=2.0, most=200)
"""Longer than in a gate: the start of a process takes longer than that."""
CASES = (
    Case("gemm", batch_size=512, threads=1),
    Case("gemm", batch_size=1024),
    Case("activations_losses", batch_size=2**16, setting="relu"),
    Case("conv2d_grid", batch_size=64, setting="k3s1p1-16x16"),
    Case("mlp_train", batch_size=64, threads=1),
    Case("mlp_train", batch_size=1024),
    Case("lstm_ar_train", batch_size=64, setting="T5h64", threads=1),
    Case("cnn_mnist_train", batch_size=64),
)
OPTIONS = (
    "benchmarks/test_workloads.py",
    "--bench-device=cpu",
    f"--bench-workload={','.join(dict.fromkeys(case.workload for case in CASES))}",
    f"--bench-batch-size={','.join(dict.fromkeys(str(case.batch_size) for case in CASES))}",
    f"--bench-threads=1,{usable_cpus()}",
)


def test_a_case_takes_as_long_in_a_process_of_its_own(tmp_path: Path, print_line: Callable[[str], None]) -> None:
    draw, guard = random.Random(), Guard()
    ratios: dict[Case, list[float]] = {case: [] for case in CASES}
    try:
        for _ in range(ROUNDS):
            for case, ratio in one_round(draw, guard, tmp_path):
                ratios[case].append(ratio)
    finally:
        guard.close()
    for case, values in ratios.items():
        print_line(
            f"isolated / in process, {case.id}: {statistics.median(values):.4f} (from {min(values):.4f} to "
            f"{max(values):.4f} in {len(values)} pairs of processes)"
        )
    off = {case.id: statistics.median(values) for case, values in ratios.items()}
    assert all(abs(ratio - 1.0) <= MOST for ratio in off.values()), off


def one_round(draw: random.Random, guard: Guard, logs: Path) -> list[tuple[Case, float]]:
    """The ratio of each case: one process measures all in random order, and a fresh one each."""
    shared = worker("shared", logs, guard)
    try:
        return [(case, ratio(case, shared, draw, guard, logs)) for case in draw.sample(CASES, len(CASES))]
    finally:
        shared.end()


def ratio(case: Case, shared: Remote, draw: random.Random, guard: Guard, logs: Path) -> float:
    own = worker("own", logs, guard)
    try:
        item = f"benchmarks/test_workloads.py::test_workload[{case.id}]"
        return math.exp(log_ratio(Pairing((shared, own), draw, TURNS).measure((item, item), check=False)))
    finally:
        own.end()


def worker(name: str, logs: Path, guard: Guard) -> Remote:
    remote = Remote(Side(name, name, ROOT, sys.executable), OPTIONS, logs / f"{name}.log", guard)
    greeted(remote)
    return remote
