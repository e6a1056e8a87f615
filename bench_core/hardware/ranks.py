"""The processes that work on a case together, called ranks: this process's place among them, and how they meet."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist

from bench_core.core.errors import CaseError
from bench_core.hardware.machine import usable_cpus

T = TypeVar("T")

BACKENDS: Mapping[str, str] = MappingProxyType({"cpu": "gloo", "cuda": "nccl", "xpu": "xccl"})
"""What ranks on each type of device communicate with."""


class Ranks(Protocol):
    """This process's place (``rank``, from 0 on) among the ``size`` processes of a case, on so many ``nodes``.

    ``launched`` says whether torch's launcher has started them, so that ``torch.distributed`` works. ``backend`` is its
    name of what they communicate with. ``launcher`` is the process id of what started all ranks of this host.
    """

    rank: int
    size: int
    nodes: int
    launched: bool
    backend: str
    launcher: int | None

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        ...

    def gather(self, value: float) -> tuple[float, ...]:
        """The values of all ranks, in their order."""
        ...

    def gather_all(self, value: T) -> tuple[T, ...]:
        """Like ``gather``, for anything that can be pickled; slower."""
        ...


class Alone:
    """A process that works by itself, as it does on every case that is not divided."""

    rank, size, nodes, launched, backend = 0, 1, 1, False, ""
    launcher: int | None = None

    def barrier(self) -> None:
        """Nobody to wait for."""

    def gather(self, value: float) -> tuple[float, ...]:
        """The value itself."""
        return (value,)

    def gather_all(self, value: T) -> tuple[T, ...]:
        """The value itself."""
        return (value,)


ALONE = Alone()


class LaunchedRanks:
    """The ranks of torch's default process group.

    They meet over a group of their own on the CPU (gloo), so that what is measured has its connections for itself.
    ``met`` is when they last did, on the clock ``time.monotonic``. ``nodes`` is the launcher's count: as many as it was
    started, even on one host.
    """

    launched = True

    def __init__(self, control: Any) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.nodes = int(os.environ.get("GROUP_WORLD_SIZE", 1))
        self.backend = dist.get_backend()
        self.launcher: int | None = os.getppid()
        self.met = time.monotonic()
        self._control = control

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        dist.barrier(group=self._control)
        self.met = time.monotonic()

    def gather(self, value: float) -> tuple[float, ...]:
        """The values of all ranks, in their order."""
        parts = [torch.empty(1, dtype=torch.float64) for _ in range(self.size)]
        dist.all_gather(parts, torch.tensor([value], dtype=torch.float64), group=self._control)
        self.met = time.monotonic()
        return tuple(float(part) for part in parts)

    def meet_at_work(self) -> None:
        """Wait until all ranks are here, over the connections of what is measured. Raises torch's error where a failure
        in the middle of a call has made them unusable."""
        dist.barrier()

    def gather_all(self, value: T) -> tuple[T, ...]:
        """The values of all ranks, in their order."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._control)
        self.met = time.monotonic()
        return tuple(values)


def on_this_host(size: int) -> int:
    """How many of so many ranks are on this host: all of them, unless torch's launcher has started fewer here."""
    return min(size, int(os.environ.get("LOCAL_WORLD_SIZE", size)))


def cores_of_each(size: int) -> int:
    """The usable cores of this host, shared out among those of so many ranks that are on it; at least one."""
    return max(1, usable_cpus() // on_this_host(size))


def join(device_type: str, patience: float) -> LaunchedRanks:
    """Join the ranks that torch's launcher has started, for work on a type of device.

    On an accelerator, each rank takes the device with its number on this host. A rank that waits longer than
    ``patience`` seconds for another gets torch's error. To leave, end the process. Raises ``CaseError`` if there are
    fewer devices than ranks.
    """
    if device_type != "cpu":
        index, count = int(os.environ["LOCAL_RANK"]), torch.accelerator.device_count()
        if index >= count:
            raise CaseError(f"rank {index} of this host needs a {device_type} device of its own; there are {count}")
        torch.accelerator.set_device_index(index)
    limit = timedelta(seconds=patience)
    dist.init_process_group(BACKENDS[device_type], timeout=limit)
    return LaunchedRanks(dist.new_group(backend="gloo", timeout=limit))
