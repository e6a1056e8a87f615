"""The parity gate raises no false alarm: every workload, many seeds, fp32 and bf16, on the CPU."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench_core import Case, Workload, workloads
from bench_core.core.errors import CaseSkipped
from bench_core.execution.parity.gate import check_first_call
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock

PrintLine = Callable[[str], None]

LIGHT_MACS = 1e8
SEEDS, FEW_SEEDS = 20, 3
FIRST = 100
"""Seeds 0 to 4 were used when the tolerances were chosen."""
GATED = [w.name for w in map(workloads.get, workloads.names()) if not (w.no_parity or w.gpu_only or w.over_ranks)]


def cases_of(workload: Workload, seeds: int) -> Iterator[Case]:
    """Every seed, the settings in turn and each at least once, at two batches: the reference batch (the largest of the
    CPU's sweep, if that is below it) and the smallest."""
    batches = workload.batch_sizes("cpu") or workload.batch_sizes("cpu", "full")
    settings = tuple(workload.settings) or ("",)
    for batch in sorted({min(batches), min(workload.reference_batch, max(batches))}):
        for i in range(max(seeds, len(settings))):
            yield Case(workload.name, batch_size=batch, setting=settings[i % len(settings)], seed=FIRST + i)


def share_of_tolerance(workload: Workload, case: Case) -> dict[str, float]:
    """How much of its tolerance the case's first call uses, by dtype."""
    used: dict[str, float] = {}
    for dtype in ("fp32", "bf16"):
        if dtype in workload.dtypes:
            in_dtype = replace(case, dtype=dtype)
            step = workloads.build(in_dtype)
            clock = SynchronizedClock(resolve(step.devices))
            parity = check_first_call(workload, in_dtype, step, clock).parity
            used[dtype] = parity.error / parity.tolerance
    return used


@pytest.mark.parametrize("name", GATED)
def test_no_false_alarm(name: str, print_line: PrintLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))
    workload = workloads.get(name)
    flops = workload.known_costs.flops
    passes = 3 if workload.kind == "train" else 1  # forward and backward take three times the forward pass
    light = flops is None or flops / 2 / passes < LIGHT_MACS
    seeds = SEEDS if light else FEW_SEEDS
    most = {"fp32": 0.0, "bf16": 0.0}
    alarms: list[str] = []
    count = inconclusive = 0
    for case in cases_of(workload, seeds):
        try:
            used = share_of_tolerance(workload, case)
        except CaseSkipped:
            inconclusive += 1
            continue
        except ValueError as error:
            alarms.append(str(error))
            continue
        count += len(used)
        most = {dtype: max(most[dtype], used.get(dtype, 0.0)) for dtype in most}
    assert all(map(math.isfinite, most.values()))
    shares = ", ".join(f"{dtype} at most {share:.2f} of its tolerance" for dtype, share in most.items() if share)
    outcome = f"{len(alarms)} false alarms, {inconclusive} inconclusive"
    print_line(f"parity, {name}: {count} first calls of at least {seeds} seeds pass, {shares}; {outcome}")
    assert not alarms, "\n".join(alarms)
