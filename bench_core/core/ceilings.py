"""What a device of a machine can do at most, as it was measured there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from bench_core.core.case import DEVICES
from bench_core.core.errors import RecordError
from bench_core.core.results import is_positive


@dataclass(frozen=True)
class MemorySpeed:
    """The speed of operators that touch so much memory (``footprint``): bytes that are read and written per second."""

    footprint: int
    speed: float


@dataclass(frozen=True)
class Ceilings:
    """The measured limits of a device with a number of CPU threads: a row of the study ``ceilings``.

    ``flops`` has FLOP/s of the fastest matrix product by dtype. ``copies`` are in ascending order of their footprints
    (source and target together). So are ``streams``, which have the fastest of several operators at each footprint;
    older runs have none. ``operator`` and ``training_operator`` are the seconds that it takes to issue an operator of
    torch that has next to nothing to compute, without and with gradients. ``launch`` is the time in seconds that a GPU
    itself needs for such an operator, from a CUDA graph; ``None`` where there are no graphs. ``link`` is the speed of a
    copy from the host to the device in bytes per second; ``None`` for a CPU. ``contended`` marks limits that were
    measured while other work took the CPU. Raises ``RecordError`` for a device that is not real, and for impossible
    values.
    """

    STUDY: ClassVar[str] = "ceilings"

    device: str
    device_model: str
    threads: int
    flops: dict[str, float]
    copies: tuple[MemorySpeed, ...]
    operator: float
    training_operator: float
    launch: float | None = None
    link: float | None = None
    contended: bool = False
    streams: tuple[MemorySpeed, ...] = ()

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise RecordError(f"device: {self.device!r} is not a real device; there are: {', '.join(DEVICES)}")
        for points in (self.copies, self.memory):
            footprints = [point.footprint for point in points]
            if not footprints or footprints != sorted(set(footprints)) or footprints[0] < 1:
                raise RecordError("copies, streams: they are not in ascending order of footprints above 0")
        speeds = (*self.flops.values(), *(point.speed for point in (*self.copies, *self.streams)), self.link)
        for value in (*speeds, self.operator, self.training_operator, self.launch):
            if value is not None and not is_positive(value):
                raise RecordError(f"ceilings: {value} is not a number above 0")

    def peak(self, dtype: str) -> float | None:
        """FLOP/s in a dtype of the suite. Under ``default`` torch may use TF32 where there is any."""
        if dtype == "default":
            return max((self.flops[known] for known in ("fp32", "tf32") if known in self.flops), default=None)
        return self.flops.get(dtype)

    @property
    def memory(self) -> tuple[MemorySpeed, ...]:
        """The fastest that memory was at each footprint; in ascending order."""
        return self.streams or self.copies

    def bandwidth(self, footprint: int) -> float:
        """Bytes per second at most of work that touches so much memory, between the measured sizes by powers."""
        points = [(math.log(point.footprint), math.log(point.speed)) for point in self.memory]
        at = min(max(math.log(max(footprint, 1)), points[0][0]), points[-1][0])
        for (left, low), (right, high) in pairwise(points):
            if at <= right:
                return math.exp(low + (high - low) * (at - left) / (right - left))
        return math.exp(points[-1][1])
