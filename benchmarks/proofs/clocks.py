"""The same calls by wall clock, by the device's own clock and by a clock that does not wait; what bounds them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench_core.hardware.device import Device

ROUNDS = 5
HOST_BOUND = 0.9
"""From this share of the device's time per call on that launching a call takes, the host decides the time."""


@dataclass(frozen=True)
class Clocks:
    """Seconds per call: of blocks of calls by the ``wall`` clock, by ``events`` on the device, and until the last call
    was launched (``issue``, the time of a clock that does not synchronize); and to ``launch`` a call on its own."""

    wall: float
    events: float
    issue: float
    launch: float

    @property
    def bound_by_host(self) -> bool:
        """Whether launching the calls decides their time."""
        return bound_by_host(self.launch, self.events)


def bound_by_host(launch: float, events: float) -> bool:
    """Whether the host, not the device, decides the time of a call.

    ``launch``: seconds to launch a call when the device is idle. ``events``: seconds per call on the device's clock, in
    a block of calls. The issue time of the block cannot be used: once the launch queue is full, the host launches no
    faster than the device works, and the issue time approaches the wall time however busy the device is.
    """
    return launch >= HOST_BOUND * events


def clocks(
    step: Callable[[], object], device: Device, seconds: float = 0.2, timer: Callable[[], float] = time.perf_counter
) -> Clocks:
    """All clocks around the same block of calls; the medians of ``ROUNDS`` blocks of ``seconds`` each.

    Raises ``ValueError`` for a device without a clock of its own.
    """
    for _ in range(3):
        step()
    calls = max(3, math.ceil(seconds / _block(step, 3, device, timer)[0]))
    blocks = [_block(step, calls, device, timer) for _ in range(ROUNDS)]
    singles = [_block(step, 1, device, timer) for _ in range(ROUNDS)]
    wall, events, issue = (statistics.median(values) for values in zip(*blocks, strict=True))
    return Clocks(wall, events, issue, launch=statistics.median(issue for _, _, issue in singles))


def _block(
    step: Callable[[], object], calls: int, device: Device, timer: Callable[[], float]
) -> tuple[float, float, float]:
    """Seconds per call by the wall clock, by events, and until the last call was launched."""
    device.synchronize()
    begin = timer()
    start = device.start_events()
    if start is None:
        raise ValueError(f"{device.name} has no clock of its own")
    for _ in range(calls):
        step()
    issued = timer()
    events = device.elapsed(start)
    return (timer() - begin) / calls, events / calls, (issued - begin) / calls
