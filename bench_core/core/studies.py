"""The rows of studies, which answer questions that the sweep does not. Runs store them in ``RunInfo.studies``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from bench_core.core.case import DEVICES
from bench_core.core.ceilings import Ceilings
from bench_core.core.errors import RecordError
from bench_core.core.results import is_positive


class StudyRow(Protocol):
    """A dataclass of plain fields with the name of its study."""

    STUDY: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


Row = TypeVar("Row", bound=StudyRow)


@dataclass(frozen=True)
class LadderRung:
    """What a rung of the ladder reported on a device: ``seconds`` per step, over ``steps`` steps.

    ``work`` names the training, ``what`` describes what the rung corrects. Only the last rung has an ``interval``: each
    of the others is a single measurement. ``contended`` marks a rung measured while other work took the CPU. Raises
    ``RecordError`` for a device that is not a real one (such as a test's fake device), because its time would not be a
    measurement.
    """

    STUDY: ClassVar[str] = "ladder"
    SYNCHRONIZE: ClassVar[str] = "synchronize"
    """The rung that waits for the device before the clock is read."""

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
    contended: bool = False

    def __post_init__(self) -> None:
        _check(self.device, self.seconds)
        if self.interval and not 0.0 < self.interval[0] <= self.seconds <= self.interval[1] < math.inf:
            raise RecordError(f"interval: {self.interval} does not contain {self.seconds}")


@dataclass(frozen=True)
class TimeToAccuracy:
    """The test accuracy that a workload's training reached on a device, and the ``seconds`` of training it took.

    ``target`` and ``accuracy`` are shares of the ``test_size`` different test images: the share that the model is to
    classify correctly, and the share that it does. The accuracy is evaluated after every ``eval_interval`` steps.
    ``units`` is the number of images trained on. ``met`` is false for a training that was stopped before it reached the
    target. ``stand_in`` marks data used in place of MNIST, ``contended`` a training during which other work took the
    CPU. Raises ``RecordError`` for a device that is not a real one, and for values that contradict each other.
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
    contended: bool = False

    def __post_init__(self) -> None:
        _check(self.device, self.seconds)
        _check_whole(self, "batch_size", "test_size", "steps", "eval_interval", "units")
        for name in ("target", "accuracy"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RecordError(f"{name}: {getattr(self, name)} is not a share of 0 to 1")
        if self.met != (self.accuracy >= self.target):
            raise RecordError(f"met: is {self.met}, but the accuracy is {self.accuracy} and the target {self.target}")


@dataclass(frozen=True)
class CourseRun:
    """A training of some ``epochs`` as courses time it on a device, and what its time consists of, in seconds.

    Single measurements: ``seconds`` is what the course's clock reports for all ``steps``, ``unfinished`` how long the
    device still worked after the clock was read, ``first`` the time to place the model and do the first step on a
    device that was not in use. Medians with confidence intervals (``None`` if there were too few samples): ``load``,
    ``copy`` and ``train``, the parts of a step, each measured alone. ``contended`` marks a run during which other work
    took the CPU. Raises ``RecordError`` for a device that is not a real one, and for impossible values.
    """

    STUDY: ClassVar[str] = "course"

    workload: str
    device: str
    device_model: str
    threads: int
    batch_size: int
    data: str
    epochs: int
    steps: int
    seconds: float
    unfinished: float
    first: float
    load: float
    load_interval: tuple[float, float] | None
    copy: float
    copy_interval: tuple[float, float] | None
    train: float
    train_interval: tuple[float, float] | None
    contended: bool = False

    def __post_init__(self) -> None:
        _check(self.device, self.seconds)
        _check_whole(self, "batch_size", "epochs", "steps")
        if not 0.0 <= self.unfinished < math.inf:
            raise RecordError(f"unfinished: {self.unfinished} is not a number of 0 or more")
        for name in ("first", "load", "copy", "train"):
            if not is_positive(getattr(self, name)):
                raise RecordError(f"{name}: {getattr(self, name)} is not a number above 0")
        for name in ("load", "copy", "train"):
            interval = getattr(self, f"{name}_interval")
            if interval and not 0.0 < interval[0] <= getattr(self, name) <= interval[1] < math.inf:
                raise RecordError(f"{name}_interval: {interval} does not contain {getattr(self, name)}")

    @property
    def explained(self) -> float:
        """What the parts add up to, one after the other: the first step, and the parts of all other steps."""
        return self.first + self.steps * self.load + (self.steps - 1) * (self.copy + self.train)


ROWS: tuple[type[LadderRung] | type[TimeToAccuracy] | type[CourseRun] | type[Ceilings], ...] = (
    LadderRung,
    TimeToAccuracy,
    CourseRun,
    Ceilings,
)
STUDIES = tuple(kind.STUDY for kind in ROWS)
"""The studies that this bench-core knows."""


def _check(device: str, seconds: float) -> None:
    if device not in DEVICES:
        raise RecordError(f"device: {device!r} is not a real device; there are: {', '.join(DEVICES)}")
    if not is_positive(seconds):
        raise RecordError(f"seconds: {seconds} is not a number above 0")


def _check_whole(row: StudyRow, *names: str) -> None:
    for name in names:
        if getattr(row, name) < 1:
            raise RecordError(f"{name}: {getattr(row, name)} is not a whole number above 0")
