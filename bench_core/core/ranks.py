"""What is stored of a case that several processes work on together, called ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench_core.core.errors import RecordError
from bench_core.core.results import are_positive, is_positive

SYNCHRONIZED = "barrier before each block; a sample is the slowest rank's time"
"""How the time of several ranks becomes one."""


@dataclass(frozen=True)
class RankTimes:
    """How each rank fared in a measurement over all of them.

    ``backend`` is torch's name of what they communicate with. ``hosts`` names the machine of each rank, ``medians`` has
    the median of its own seconds per call, over the blocks of the samples. ``synchronized`` says how the samples were
    made of the ranks' times. ``communication`` is the share of a call that is spent in communication and in nothing
    else: a call without it is faster by so much; noise may make it slightly negative. ``bus_bytes`` is what a call
    moves over the slowest link at least, as nccl-tests defines it. Both are ``None`` where they are not defined.
    """

    backend: str
    hosts: tuple[str, ...]
    medians: tuple[float, ...]
    communication: float | None = None
    bus_bytes: float | None = None
    synchronized: str = SYNCHRONIZED

    def __post_init__(self) -> None:
        if not self.medians or len(self.medians) != len(self.hosts) or not are_positive(self.medians):
            raise RecordError(f"ranks: {len(self.hosts)} hosts and the medians {self.medians} are not possible")
        if self.communication is not None and not -math.inf < self.communication < 1.0:
            raise RecordError(f"ranks.communication: {self.communication} is not a share below 1")
        if self.bus_bytes is not None and not is_positive(self.bus_bytes):
            raise RecordError(f"ranks.bus_bytes: {self.bus_bytes} is not a number above 0")

    @property
    def spread(self) -> float:
        """By how much the slowest rank's median exceeds the fastest one's, relative to the fastest."""
        return max(self.medians) / min(self.medians) - 1.0
