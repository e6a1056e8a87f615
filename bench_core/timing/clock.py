"""The clock behind every time: wall time between two synchronizations, the same on every device."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from bench_core.core import stats
from bench_core.core.ranks import RankTimes
from bench_core.core.results import Measurement
from bench_core.core.step import Step
from bench_core.hardware.device import Device
from bench_core.hardware.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Block:
    """One timed block, in seconds: ``wall`` is its wall time, ``issue`` the time until the last call was issued (before
    the last synchronization)."""

    wall: float
    issue: float


class SynchronizedClock:
    """Times blocks of calls: synchronize, start, the calls, synchronize, stop; the same for every device.

    Without the first synchronization, earlier work would be counted. Without the last one, the work of an asynchronous
    device would not be counted. ``ranks`` are the processes that time each block together.
    """

    ranks: Ranks = ALONE

    def __init__(self, devices: tuple[Device, ...], timer: Callable[[], float] = time.perf_counter) -> None:
        self.devices = devices
        self.timer = timer

    def synchronize(self) -> None:
        """Wait for the devices of this clock, and for no other device."""
        for device in self.devices:
            device.synchronize()

    def block(self, fn: Callable[[], Any], calls: int) -> Block:
        """Time ``calls`` calls in a row, with garbage collection disabled (as ``timeit`` does)."""
        timer, times = self.timer, repeat(None, calls)
        collecting = gc.isenabled()
        gc.disable()
        try:
            self.synchronize()
            start = timer()
            for _ in times:
                fn()
            issued = timer()
            self.synchronize()
            end = timer()
        finally:
            if collecting:
                gc.enable()
        return Block(wall=end - start, issue=issued - start)

    def first_call(self, fn: Callable[[], Any]) -> tuple[float, Any]:
        """Make a single synchronized call: its seconds, and what it returned."""
        returned: list[Any] = []
        seconds = self.block(lambda: returned.append(fn()), 1).wall
        return seconds, returned.pop()

    def device_time(self, fn: Callable[[], Any], calls: int) -> float | None:
        """Seconds of a block on the device's own clock; ``None`` for a device without one, or for several devices."""
        if len(self.devices) != 1:
            return None
        (device,) = self.devices
        device.synchronize()
        start = device.start_events()
        if start is None:
            return None
        for _ in repeat(None, calls):
            fn()
        return device.elapsed(start)

    def rank_times(self, step: Step, m: Measurement, seconds: float) -> RankTimes | None:
        """How each rank fared in a measurement by this clock; ``None`` for a process by itself."""

    def overhead(self, repeats: int = 51) -> float:
        """Seconds of an empty block: reading the clock and synchronizing idle devices."""
        return stats.median([self.block(_nothing, 1).wall for _ in range(repeats)])


def _nothing() -> None:
    """The empty function, whose time is the cost of timing."""
