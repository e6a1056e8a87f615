"""One of several ranks: all-reduce as the suite measures it, and in a plain loop of torch.distributed, in turns.

``torchrun --standalone --nproc-per-node 2 bare_ranks.py RESULT.json``; the first rank writes the result.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

from bench_core import Step, workloads
from bench_core.core.case import Case
from bench_core.hardware.device import resolve
from bench_core.hardware.ranks import join
from bench_core.timing.rank_clock import RankClock
from bench_core.timing.sampling import measure
from bench_core.workloads.kit.building import build

SECONDS, FEWEST, MOST = 60.0, 20, 1000
"""About how long a message size is measured, and the number of rounds: the fewest and the most."""
Block = Callable[[int], float]
"""The seconds of the slowest rank for so many calls."""


def plain_loop(buffer: torch.Tensor) -> Block:
    """A block as it is written with torch.distributed alone."""

    def block(calls: int) -> float:
        dist.barrier()
        start = time.perf_counter()
        for _ in range(calls):
            dist.all_reduce(buffer)
        slowest = torch.tensor([time.perf_counter() - start], dtype=torch.float64)
        dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
        return float(slowest)

    return block


def measured_block(step: Step, clock: RankClock) -> Block:
    """A block as the suite times it."""
    return lambda calls: clock.block(step.fn, calls).wall


def in_turns(blocks: dict[str, Block], calls: int, rounds: int) -> dict[str, list[float]]:
    """The seconds per call of each kind of block, in rounds. Their order is drawn, alike on all ranks: a block's time
    depends on what ran before it."""
    times: dict[str, list[float]] = {name: [] for name in blocks}
    rng = random.Random(0)
    for _ in range(rounds):
        for name in rng.sample(list(blocks), len(blocks)):
            times[name].append(blocks[name](calls) / calls)
    return times


def main() -> None:
    torch.set_num_threads(1)
    ranks = join("cpu", patience=300.0)
    result = {}
    for size in workloads.get("all_reduce").batch_sizes("cpu"):
        case = Case("all_reduce", batch_size=size, threads=1, ranks=ranks.size)
        step = build(workloads.get("all_reduce"), case, ranks=ranks)
        clock = RankClock(resolve("cpu"), ranks)
        m = measure(step.fn, max_time=0.3, clock=clock)
        loop, again = (plain_loop(torch.zeros(size // 4)) for _ in range(2))
        blocks = {"own": measured_block(step, clock), "loop": loop, "again": again}
        rounds = min(MOST, max(FEWEST, round(SECONDS / (len(blocks) * m.median * m.inner_calls))))
        result[size] = in_turns(blocks, m.inner_calls, rounds)
    if ranks.rank == 0:
        Path(sys.argv[1]).write_text(json.dumps(result))
    dist.barrier()


if __name__ == "__main__":
    main()
