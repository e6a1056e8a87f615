"""How long the default sweep takes on CPU and GPU, estimated without a GPU.

Run ``python benchmarks/gpu/estimate.py RUN.json``. RUN.json is a stored default sweep on the CPU. Its cases count as
long as they took. A GPU case is a sum of two parts:

- All but measuring (build, float64 reference, checks) is work of the CPU: it counts as long as in the CPU case of the
  nearest batch, in proportion to the batch, up to the FLOPs that are checked against float64.
- Measuring follows from the time of a call: that of the operators that the step launches, counted on fake tensors at
  the smallest batch, or of its FLOPs, in proportion to those of the nearest batch, whichever is longer.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from torch._subclasses.fake_tensor import DataDependentOutputException

from bench_core import Case, workloads
from bench_core.core.records import Record
from bench_core.execution.parity.gate import MAX_FLOPS
from bench_core.execution.schedule import time_limit
from bench_core.storage.files import load
from bench_core.workloads.kit.building import build_anywhere
from bench_core.workloads.kit.compiling import OperatorCount
from bench_core.workloads.kit.definition import Workload
from bench_core.workloads.kit.sweep import Sweep, candidates

LAUNCH = 1e-5
"""Seconds that the host takes to launch an operator from Python."""
RATE = 2e13
"""FLOP per second, a third of an H200's peak in fp32."""
BLOCKS, SHORTEST_BLOCK, SINGLES = 70, 5e-3, 100
"""Blocks of calibration, warm-up, the pilot, the cross-check and device time; seconds of one; single calls."""
LONGEST = 2.5
"""Warm-up and samples take ``max_time`` each at most, latency and cross-check a quarter of it each."""


def measuring_seconds(call: float, max_time: float) -> float:
    """Seconds of measuring a step of which a call takes ``call`` seconds, if the target is met at the first look."""
    return min(BLOCKS * max(call, SHORTEST_BLOCK) + SINGLES * call, LONGEST * max_time + 3 * call)


def call_seconds(operators: int, flops: float | None) -> float:
    """Seconds of a call on a GPU."""
    return max(operators * LAUNCH, (flops or 0) / RATE)


def nearest(case: Case, records: Sequence[Record]) -> Record | None:
    """The record of the same workload that is nearest to a case: of its setting, if there is one, then by batch."""
    alike = [r for r in records if r.case.workload == case.workload]
    alike = [r for r in alike if r.case.setting == case.setting] or alike
    return min(alike, key=lambda r: abs(math.log(r.case.batch_size / case.batch_size)), default=None)


def other_seconds(case: Case, like: Record | None) -> float:
    """Seconds of a case apart from measuring; a second where there is no record of its workload."""
    if like is None:
        return 1.0
    ratio = case.batch_size / like.case.batch_size
    if like.flops:
        ratio = min(ratio, MAX_FLOPS / like.flops)  # more than that is not checked against float64
    return (like.wall_seconds - like.contention.seconds) * max(1.0, ratio)


def gpu_cases(chosen: Iterable[Workload]) -> list[tuple[Workload, Case]]:
    """The GPU's cases of the default sweep."""
    sweep = Sweep(devices=("cuda",), usable_cpus=1)
    return [(w, case) for w in chosen for case in candidates(w, sweep)]


@cache
def operators_of(name: str, setting: str) -> int | None:
    """The operators of a call on fake tensors; ``None`` for a workload that reads figures or pins memory."""
    from tests.rehearsal.fake_cuda import fake_cuda, repeated

    w = workloads.get(name)
    case = Case(name, "cuda:0", min(w.batch_sizes("cuda", "full")), setting=setting)
    try:
        with fake_cuda():
            step = build_anywhere(w, case, capture=repeated)
            step()
            with OperatorCount() as operators:
                step()
    except (DataDependentOutputException, AssertionError):  # the latter for pinned memory
        return None
    return operators.count


def main(arguments: Sequence[str]) -> int:
    """Print the estimate."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    run = load(Path(arguments[0]))
    max_time = float(run.info.options.get("--bench-max-time", 1.0))
    cpu = sum(record.wall_seconds for record in run.records)
    others = measuring = 0.0
    unknown: dict[str, None] = {}
    cases = gpu_cases(map(workloads.get, workloads.names()))
    for w, case in cases:
        limit, like, operators = time_limit(w, max_time), nearest(case, run.records), operators_of(w.name, case.setting)
        others += other_seconds(case, like)
        if operators is None:
            unknown[w.name] = None
            measuring += LONGEST * limit
        else:
            flops = like.flops * case.batch_size / like.case.batch_size if like and like.flops else None
            measuring += measuring_seconds(call_seconds(operators, flops), limit)
    print(f"{len(run.records)} CPU cases, as measured: {cpu:.0f} s on {run.info.machine.usable_cpus} cores")
    print(f"{len(cases)} GPU cases: measuring {measuring:.0f} s, all else {others:.0f} s on these cores")
    print(f"not run on fake tensors, counted with their whole time limit: {', '.join(unknown) or 'none'}")
    print(f"together: {(cpu + others + measuring) / 60:.1f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
