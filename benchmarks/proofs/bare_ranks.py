"""One of several ranks: all-reduce as the suite measures it, and in a plain loop of torch.distributed, in turns.

``torchrun --standalone --nproc-per-node 2 bare_ranks.py RESULT.json``; the first rank writes the result.
"""

import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import torch
import torch.distributed as dist

from bench_core import workloads
from bench_core.core.case import Case
from bench_core.hardware.device import resolve
from bench_core.hardware.ranks import join
from bench_core.timing.rank_clock import RankClock
from bench_core.timing.sampling import measure
from bench_core.workloads.kit.building import build

SECONDS, ROUNDS = 0.3, 15
"""The seconds of samples of a measurement, and how often it is made between two loops."""


def plain_loop(buffer: torch.Tensor, calls: int, blocks: int) -> float:
    """The median over blocks of the seconds per call of the slowest rank, written with torch.distributed alone."""
    times = []
    for _ in range(blocks):
        dist.barrier()
        start = time.perf_counter()
        for _ in range(calls):
            dist.all_reduce(buffer)
        slowest = torch.tensor([time.perf_counter() - start], dtype=torch.float64)
        dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
        times.append(float(slowest) / calls)
    return statistics.median(times)


def main() -> None:
    torch.set_num_threads(1)
    ranks = join("cpu", patience=300.0)
    result = {}
    for size in workloads.get("all_reduce").batch_sizes("cpu"):
        case = Case("all_reduce", batch_size=size, threads=1, ranks=ranks.size)
        step = build(workloads.get("all_reduce"), case, ranks=ranks)
        buffer = torch.zeros(size // 4)
        first = measure(step.fn, max_time=SECONDS, clock=RankClock(resolve("cpu"), ranks))
        calls, blocks = first.inner_calls, max(3, len(first.samples))
        loops, ours = [plain_loop(buffer, calls, blocks)], []
        for _ in range(ROUNDS):
            ours.append(measure(step.fn, max_time=SECONDS, clock=RankClock(resolve("cpu"), ranks)).median)
            loops.append(plain_loop(buffer, calls, blocks))
        around = [(before + after) / 2 for before, after in pairwise(loops)]
        result[size] = {
            "seconds": statistics.median(ours),
            "ratios": [own / loop for own, loop in zip(ours, around, strict=True)],
            "control": [after / before for before, after in pairwise(loops)],
        }
    if ranks.rank == 0:
        Path(sys.argv[1]).write_text(json.dumps(result))
    dist.barrier()


if __name__ == "__main__":
    main()
