"""What comes before the first sample: how many calls a block has, and calls until their times are steady."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench_core.core import stats
from bench_core.timing.clock import SynchronizedClock

CLOCK_SHARE = 1e-3
"""Reading the clock and synchronizing may cost at most this share of a sample."""
SHORTEST_BLOCK = 5e-3
"""Seconds. Shorter blocks mostly fall between the kernel's timer ticks (4 ms apart at 250 Hz) and other small
interruptions, so their median is up to 3% below the time of the same work when it runs continuously."""
WINDOW = 5
"""Blocks per warm-up window."""


@dataclass(frozen=True)
class BlockSize:
    """The number of calls in a block, the seconds of such a block, and the calls that were ``made`` to find out."""

    calls: int
    seconds: float
    made: int


@dataclass(frozen=True)
class WarmupResult:
    """How warm-up ended: whether two windows agreed (``steady``), the number of ``calls``, the seconds of the last
    ``block``, and the ``reason``."""

    steady: bool
    calls: int
    block: float
    reason: str


def calibrate(clock: SynchronizedClock, fn: Callable[[], Any], overhead: float) -> BlockSize:
    """How many calls a block has.

    A block has enough calls that the clock costs less than ``CLOCK_SHARE`` of it and that it lasts ``SHORTEST_BLOCK``.
    """
    wanted = max(overhead / CLOCK_SHARE, SHORTEST_BLOCK)
    calls, total = 1, 0
    while True:
        took = clock.block(fn, calls).wall
        total += calls
        if took < 2 * wanted:  # a single slow block must not count as enough calls
            took, total = min(took, clock.block(fn, calls).wall), total + calls
        if took >= wanted:
            return BlockSize(calls, took, total)
        # At most tenfold: in a first estimate from few calls the clock itself dominates.
        calls = min(10 * calls, max(calls + 1, math.ceil(1.1 * calls * wanted / max(took, 1e-9))))


def warm_up(
    clock: SynchronizedClock, fn: Callable[[], Any], calls: int, rel_ci: float, max_time: float
) -> WarmupResult:
    """Run blocks until two consecutive windows agree, or ``max_time`` is spent.

    Two windows agree if their medians differ by at most ``rel_ci``, or, for noisy work, if the ranges of the middle
    three of their five blocks overlap. A window has five blocks, or fewer if five would take over a tenth of
    ``max_time``; such small windows must agree by their medians.
    """
    block = clock.block(fn, calls).wall
    size = max(1, min(WINDOW, int(max_time / 10 / block)))
    spent, total, count = block, calls, 0
    before: list[float] = []
    while True:
        window = [clock.block(fn, calls).wall for _ in range(size)]
        spent, total, count = spent + sum(window), total + size * calls, count + 1
        now = stats.median(window)
        done = f"steady after {count} windows of {size}"
        if before:
            change = now / stats.median(before) - 1.0
            if abs(change) <= rel_ci:
                return WarmupResult(True, total, now, f"{done}: their medians differ by {100 * change:+.2g}%")
            if size == WINDOW and _overlap(before, window):
                return WarmupResult(True, total, now, f"{done}: their ranges overlap")
        if spent >= max_time:
            return WarmupResult(False, total, now, "the warm-up's time ran out before two windows agreed")
        before = window


def too_slow_to_warm_up(size: BlockSize) -> WarmupResult:
    """The warm-up of work whose first calls have already taken more than all the time that it may have."""
    return WarmupResult(False, 0, size.seconds, "a call takes longer than all the time allowed; two calls went before")


def _overlap(before: Sequence[float], now: Sequence[float]) -> bool:
    """Whether the windows' ranges overlap, leaving out the smallest and largest block of each, which may be spikes."""
    a, b = sorted(before)[1:-1], sorted(now)[1:-1]
    return a[0] <= b[-1] and b[0] <= a[-1]
