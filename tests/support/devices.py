"""Fake clocks, an asynchronous fake device and a fake training, so that tests of timing need neither a GPU nor time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bench_core.execution.studies.ladder import Training
    from bench_core.hardware.device import Device


class Clock(Protocol):
    """A time that a fake device works in."""

    @property
    def now(self) -> float:
        """The time in seconds."""
        ...

    def wait_until(self, moment: float) -> None:
        """Return when this time is reached; at once if it is past."""
        ...


class WallClock:
    """Real time, the time that ``measure`` reads unless stated otherwise."""

    @property
    def now(self) -> float:
        return time.perf_counter()

    def wait_until(self, moment: float) -> None:
        """Sleep: this stands for the work of a device, which really takes its time."""
        while (left := moment - self.now) > 0.0:
            time.sleep(left)


class VirtualClock:
    """A time that passes only when it is advanced or waited for; calling the clock reads it, as a timer.

    Each reading takes ``tick`` seconds. ``log`` notes readings as "read" and waits as "wait".
    """

    def __init__(self, tick: float = 0.0) -> None:
        self.now = 0.0
        self.tick = tick
        self.log: list[str] = []

    def __call__(self) -> float:
        """Read the clock."""
        self.log.append("read")
        reading = self.now
        self.advance(self.tick)
        return reading

    def advance(self, seconds: float) -> None:
        """Let time pass: the host computes."""
        self.now += seconds

    def wait_until(self, moment: float) -> None:
        """Let time pass up to this moment, if it is still to come."""
        self.log.append("wait")
        self.now = max(self.now, moment)


class FakeAsyncDevice:
    """A device that works as a GPU does: ``submit`` returns at once, ``synchronize`` waits for the submitted work.

    It has all members of ``bench_core.hardware.device.Device``. Where ``queue`` is given, so many submissions may be
    unfinished; ``submit`` then waits for the oldest of them, as launches on a GPU do.
    """

    def __init__(self, clock: Clock, name: str = "fake:0", queue: int | None = None) -> None:
        self.clock = clock
        self.name = name
        self.submitted = 0
        self.waits = 0
        self._free_at = 0.0
        self._queue = queue
        self._ends: deque[float] = deque(maxlen=queue or 0)

    def submit(self, seconds: float) -> None:
        """Queue work that takes so long on the device, after all that is queued already."""
        if self._queue and len(self._ends) == self._queue:
            self.clock.wait_until(self._ends[0])
        self.submitted += 1
        self._free_at = self._next_start + seconds
        self._ends.append(self._free_at)

    @property
    def idle(self) -> bool:
        """Whether all submitted work is done by now."""
        return self._free_at <= self.clock.now

    @property
    def _next_start(self) -> float:
        """When work that is submitted now can begin."""
        return max(self._free_at, self.clock.now)

    def synchronize(self) -> None:
        """Wait until all submitted work is done."""
        self.waits += 1
        self.clock.wait_until(self._free_at)

    def start_events(self) -> object:
        """When the work submitted next will begin."""
        return self._next_start

    def elapsed(self, start: object) -> float:
        """Seconds from a mark until all submitted work is done."""
        assert isinstance(start, float)
        end = self._next_start
        self.synchronize()
        return end - start

    def model(self) -> str:
        """The name of a device that nobody takes for a real one."""
        return "fake asynchronous device"

    def cache_bytes(self) -> int:
        """A cache of 1 MiB."""
        return 2**20

    def reset_peak_memory(self) -> None:
        """It has no memory."""

    def peak_memory(self) -> int | None:
        """It has no memory."""
        return None


@dataclass
class FakeTraining:
    """A training for the ladder on a fake device of its own, in virtual time.

    The seconds of the host: ``place_cost`` to place the model, ``first_cost`` for the first launch of all,
    ``load_cost`` to load a batch, ``launch_cost`` to launch work. The seconds of the device: to copy a batch, to train
    on it, and to update the weights, which happens with the model's own optimizer only.
    """

    place_cost: float = 30.0
    first_cost: float = 7.0
    load_cost: float = 2.0
    launch_cost: float = 0.1
    copy_cost: float = 1.0
    train_cost: float = 5.0
    update_cost: float = 0.5
    clock: VirtualClock = field(default_factory=VirtualClock)
    optimizers_used: set[bool] = field(default_factory=set)
    batches: int | None = None

    def __post_init__(self) -> None:
        self.device = FakeAsyncDevice(self.clock)
        self._placed = False

    def _launch(self, seconds: float) -> None:
        self.clock.advance(self.launch_cost + (0.0 if self.device.submitted else self.first_cost))
        self.device.submit(seconds)

    def place(self) -> None:
        """Move the model to the device; the first time only it takes time."""
        self.clock.advance(0.0 if self._placed else self.place_cost)
        self._placed = True

    def loader(self) -> Iterator[str]:
        """Batches without end, or as many as ``batches`` says."""
        for batch in repeat("batch") if self.batches is None else repeat("batch", self.batches):
            self.clock.advance(self.load_cost)
            yield batch

    def copy(self, batch: str) -> str:
        """Copy a batch to the device."""
        self._launch(self.copy_cost)
        return batch

    def train(self, batch: str, own_optimizer: bool) -> None:
        """Train on a batch."""
        self.optimizers_used.add(own_optimizer)
        self._launch(self.train_cost + (self.update_cost if own_optimizer else 0.0))

    def resident(self) -> Callable[[], None]:
        """A step on inputs that are on the device already."""
        return lambda: self.train("resident batch", own_optimizer=True)


if TYPE_CHECKING:
    # Makes the type checker compare the fakes with what they stand for.
    _device: Device = FakeAsyncDevice(VirtualClock())
    _wall_device: Device = FakeAsyncDevice(WallClock())
    _training: Training = FakeTraining()
