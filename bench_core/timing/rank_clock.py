"""The clock of ranks: all of them read the same times, so that they decide alike how often to call."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from bench_core.core import stats
from bench_core.core.ranks import RankTimes
from bench_core.core.results import Measurement
from bench_core.core.step import Step
from bench_core.hardware.device import Device
from bench_core.hardware.ranks import Ranks
from bench_core.timing.clock import Block, SynchronizedClock

MIN_PAIRS, MAX_PAIRS = 5, 50
"""Pairs of blocks with and without communication."""


class RankClock(SynchronizedClock):
    """Times a block as all ranks together need it: they wait for each other, then the slowest one's time counts.

    Every decision of ``sampling.measure`` follows from such times, so all ranks make the same number of calls and none
    waits for a call that another does not make.
    """

    def __init__(
        self, devices: tuple[Device, ...], ranks: Ranks, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__(devices, timer)
        self.ranks = ranks
        self._walls: dict[tuple[int, float], tuple[float, ...]] = {}

    def block(self, fn: Callable[[], Any], calls: int) -> Block:
        """Time ``calls`` calls in a row on all ranks; the wall time is that of the slowest rank."""
        self.ranks.barrier()
        own = super().block(fn, calls)
        walls = self.ranks.gather(own.wall)
        self._walls[calls, max(walls) / calls] = walls
        return Block(wall=max(walls), issue=own.issue)

    def rank_times(self, step: Step, m: Measurement, seconds: float) -> RankTimes:
        """How each rank fared in a measurement of a step by this clock; all ranks call this.

        It takes about so many seconds more, if the step has a call without communication.
        """
        hosts = self.ranks.gather_all(socket.gethostname())
        share = self.communication(step.fn, step.local, m, seconds) if step.local else None
        return RankTimes(self.ranks.backend, hosts, self.medians(m), share, step.bus_bytes)

    def communication(
        self, whole: Callable[[], Any], local: Callable[[], Any], m: Measurement, seconds: float
    ) -> float:
        """The share of a ``whole`` call, which was measured before, that a ``local`` one without communication saves.

        It is the median over pairs of blocks, one right after the other and in turn first, for about so many seconds.
        """
        both = 2 * m.inner_calls * m.median
        pairs = max(MIN_PAIRS, min(MAX_PAIRS, int(seconds / both)))
        self.block(local, m.inner_calls)  # its first call may have to allocate
        return stats.median([self._saved(whole, local, m.inner_calls, first=i % 2 == 0) for i in range(pairs)])

    def _saved(self, whole: Callable[[], Any], local: Callable[[], Any], calls: int, *, first: bool) -> float:
        order = (whole, local) if first else (local, whole)
        walls = {fn: self.block(fn, calls).wall for fn in order}
        return 1.0 - walls[local] / walls[whole]

    def medians(self, m: Measurement) -> tuple[float, ...]:
        """The median of each rank's own seconds per call, over the samples of a measurement by this clock."""
        blocks = [self._walls[m.inner_calls, sample] for sample in m.samples]
        return tuple(stats.median(walls) / m.inner_calls for walls in zip(*blocks, strict=True))
