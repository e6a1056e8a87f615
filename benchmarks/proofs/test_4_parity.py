"""The parity gate raises no false alarm: every workload, many seeds, fp32 and bf16, on the CPU."""

import math
from dataclasses import replace

import pytest

from bench_core import Case, workloads
from bench_core.core.errors import CaseSkipped
from bench_core.execution.parity.gate import Gate

LIGHT_MACS = 1e8
SEEDS, FEW_SEEDS = 20, 3
FIRST = 100
"""Seeds 0 to 4 were looked at when the tolerances were chosen."""
GATED = [w.name for w in map(workloads.get, workloads.names()) if not (w.no_parity or w.gpu_only)]


def cases_of(workload, seeds):
    """Every seed, the settings in turn and each at least once, at two batches: the reference batch (the largest of the
    CPU's sweep, if that is below it) and the smallest."""
    batches = workload.batch_sizes("cpu") or workload.batch_sizes("cpu", "full")
    settings = workload.settings or ("",)
    for batch in sorted({min(batches), min(workload.reference_batch, max(batches))}):
        for i in range(max(seeds, len(settings))):
            yield Case(workload.name, batch_size=batch, setting=settings[i % len(settings)], seed=FIRST + i)


def held(case):
    """How much of its tolerance the case's first call uses, by dtype."""
    used = {}
    for dtype in ("fp32", "bf16"):
        if dtype in workloads.get(case.workload).dtypes:
            step = workloads.build(replace(case, dtype=dtype))
            gate = Gate(replace(case, dtype=dtype), step)
            gate.after_first(step())
            parity = gate.result()
            used[dtype] = parity.error / parity.tolerance
    return used


@pytest.mark.parametrize("name", GATED)
def test_no_false_alarm(name, tell, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))
    workload = workloads.get(name)
    flops = workload.known_costs.flops
    passes = 3 if workload.kind == "train" else 1  # forward and backward take three times the forward pass
    light = flops is None or flops / 2 / passes < LIGHT_MACS
    seeds, most, alarms, count, unjudged = SEEDS if light else FEW_SEEDS, {"fp32": 0.0, "bf16": 0.0}, [], 0, 0
    for case in cases_of(workload, seeds):
        try:
            used = held(case)
        except CaseSkipped:
            unjudged += 1
            continue
        except ValueError as error:
            alarms.append(str(error))
            continue
        count += len(used)
        most = {dtype: max(most[dtype], used.get(dtype, 0.0)) for dtype in most}
    assert all(map(math.isfinite, most.values()))
    used = ", ".join(f"{dtype} at most {share:.2f} of its tolerance" for dtype, share in most.items() if share)
    outcome = f"{len(alarms)} false alarms, {unjudged} not judged"
    tell(f"parity, {name}: {count} first calls of at least {seeds} seeds pass, {used}; {outcome}")
    assert not alarms, "\n".join(alarms)
