"""Ranks without a launcher: a fake communicator with a known cost, threads that meet, and processes that do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any, TypeVar

from tests.support.devices import VirtualClock
from tests.support.processes import python

T = TypeVar("T")


class FakeRanks:
    """One process that stands for all ranks, in virtual time.

    A call of rank ``r`` takes ``pace[r]`` times as long as here, and waiting for each other takes ``cost`` seconds.
    """

    rank, nodes, launched, backend = 0, 1, True, "fake"
    launcher: int | None = None

    def __init__(self, clock: VirtualClock, pace: tuple[float, ...], cost: float = 0.0) -> None:
        self.clock, self.pace, self.cost, self.size = clock, pace, cost, len(pace)

    def barrier(self) -> None:
        self.clock.advance(self.cost)

    def gather(self, value: float) -> tuple[float, ...]:
        self.clock.advance(self.cost)
        return tuple(value * pace for pace in self.pace)

    def gather_all(self, value: T) -> tuple[T, ...]:
        return (value,) * self.size


@dataclass
class _Table:
    """Where threads lay their values."""

    size: int
    values: dict[int, Any] = field(default_factory=dict)
    both_laid: Barrier = field(init=False)
    both_taken: Barrier = field(init=False)

    def __post_init__(self) -> None:
        self.both_laid, self.both_taken = Barrier(self.size), Barrier(self.size)


class ThreadRanks:
    """A rank that is a thread of this process; all of them share a table."""

    nodes, launched, backend = 1, True, "threads"
    launcher: int | None = None

    def __init__(self, rank: int, table: _Table) -> None:
        self.rank, self.size, self._table = rank, table.size, table

    def barrier(self) -> None:
        self.gather_all(None)

    def gather(self, value: float) -> tuple[float, ...]:
        return self.gather_all(value)

    def gather_all(self, value: T) -> tuple[T, ...]:
        self._table.values[self.rank] = value
        self._table.both_laid.wait(60)
        values = tuple(self._table.values[rank] for rank in range(self.size))
        self._table.both_taken.wait(60)
        return values


def in_threads(size: int, work: Callable[[ThreadRanks], T]) -> list[T]:
    """What each rank returns, in their order."""
    table = _Table(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: work(ThreadRanks(rank, table)), range(size)))


JOIN = """
import os, sys
import torch, torch.distributed as dist
torch.set_num_threads(1)
os.environ["LOCAL_WORLD_SIZE"] = "1"  # as if each were on a machine of its own: there may be one core only
dist.init_process_group("gloo", init_method=sys.argv[1], rank=int(sys.argv[2]), world_size=int(sys.argv[3]))
from bench_core.hardware.ranks import LaunchedRanks
ranks = LaunchedRanks(dist.new_group(backend="gloo"))
"""


IN_TURN = """
for number, program in enumerate(sys.argv[4:], 1):
    exec(compile(program, f"program {number}", "exec"), dict(globals()))
    ranks.barrier()
"""


def in_processes(size: int, *programs: str) -> None:
    """Run programs in turn on so many gloo ranks of processes of their own, each of which takes a second to start.

    Each program has ``ranks``, and nothing of those before. Fails with what a rank prints.
    """
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(size) as pool:
        own = [(f"file://{folder}/store", str(rank), str(size)) for rank in range(size)]
        arguments = [("-c", JOIN + IN_TURN, *words, *programs) for words in own]
        ended = list(pool.map(lambda words: python(*words), arguments))
    assert [process.returncode for process in ended] == [0] * size, "\n".join(p.stdout + p.stderr for p in ended)
