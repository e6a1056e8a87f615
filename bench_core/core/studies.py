"""The rows of studies: questions asked beside the sweep. A run keeps them as named tables, see ``RunInfo.studies``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from bench_core.core.case import DEVICES
from bench_core.core.errors import RecordError


class StudyRow(Protocol):
    """A dataclass of plain fields that knows the name of its study."""

    STUDY: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


Row = TypeVar("Row", bound=StudyRow)


@dataclass(frozen=True)
class LadderRung:
    """What a rung of the ladder reported on a device: ``seconds`` per step, over ``steps`` steps.

    ``work`` is the training, ``what`` describes what the rung corrects. Only the last rung has an ``interval``: the
    others are one measurement. Raises ``RecordError`` for a device that is not a real one, since that would not be a
    measurement.
    """

    STUDY: ClassVar[str] = "ladder"

    device: str
    device_model: str
    threads: int
    work: str
    data: str
    rung: str
    what: str
    seconds: float
    interval: tuple[float, float] | None
    steps: int

    def __post_init__(self) -> None:
        _check(self.device, self.seconds)
        if self.interval and not 0.0 < self.interval[0] <= self.seconds <= self.interval[1] < math.inf:
            raise RecordError(f"interval: {self.interval} does not hold {self.seconds}")


@dataclass(frozen=True)
class TimeToAccuracy:
    """How far a workload's training came on a device, and in how many ``seconds`` of training.

    ``target`` and ``accuracy`` are the share of ``test_size`` different test images that the model classifies
    correctly, evaluated after every ``eval_interval`` steps. ``units`` is the number of images trained on. A training
    that was given up is not ``met``. ``stand_in`` marks data used in place of MNIST. Raises ``RecordError`` for a
    device that is not a real one, and for figures that contradict each other.
    """

    STUDY: ClassVar[str] = "learning"

    workload: str
    device: str
    device_model: str
    threads: int
    batch_size: int
    data: str
    stand_in: bool
    test_size: int
    target: float
    accuracy: float
    steps: int
    eval_interval: int
    units: int
    seconds: float
    met: bool
    seed: int

    def __post_init__(self) -> None:
        _check(self.device, self.seconds)
        for name in ("batch_size", "test_size", "steps", "eval_interval", "units"):
            if getattr(self, name) < 1:
                raise RecordError(f"{name}: {getattr(self, name)} is not a whole number above 0")
        for name in ("target", "accuracy"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RecordError(f"{name}: {getattr(self, name)} is not a share of 0 to 1")
        if self.met != (self.accuracy >= self.target):
            raise RecordError(f"met: is {self.met}, though the accuracy is {self.accuracy} of {self.target}")


def _check(device: str, seconds: float) -> None:
    if device not in DEVICES:
        raise RecordError(f"device: {device!r} is not a real device; there are: {', '.join(DEVICES)}")
    if not (math.isfinite(seconds) and seconds > 0.0):
        raise RecordError(f"seconds: {seconds} is not a number above 0")
