"""What a device of a machine can do at most, as it was measured there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class CopySpeed:
    """The speed of copies that touch so much memory (``footprint``, source and target together): bytes that are read
    and written per second."""

    footprint: int
    speed: float


@dataclass(frozen=True)
class Ceilings:
    """The measured limits of a device with a number of CPU threads.

    ``flops`` has FLOP/s of the fastest matrix product by dtype. ``copies`` are in ascending order of their footprints.
    ``operator`` and ``training_operator`` are the seconds that it takes to issue an operator of torch that has next to
    nothing to compute, without and with gradients. ``launch`` is the time in seconds that a device itself needs for
    such an operator, where it has a clock of its own.
    """

    device: str
    threads: int
    flops: dict[str, float]
    copies: tuple[CopySpeed, ...]
    operator: float
    training_operator: float
    launch: float | None = None

    def bandwidth(self, footprint: int) -> float:
        """Bytes per second of a copy that touches so much memory, between the measured sizes by powers."""
        points = [(math.log(copy.footprint), math.log(copy.speed)) for copy in self.copies]
        at = min(max(math.log(max(footprint, 1)), points[0][0]), points[-1][0])
        for (left, low), (right, high) in pairwise(points):
            if at <= right:
                return math.exp(low + (high - low) * (at - left) / (right - left))
        return math.exp(points[-1][1])
