"""One small class per kind of device: how to synchronize with it, its model, the memory it used.

A device is any object with the members of ``Device``; the clock does not depend on the kind of device.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from bench_core.core.case import DEVICES
from bench_core.core.errors import CaseError


class Device(Protocol):
    """What the clock and the records need of a device."""

    @property
    def name(self) -> str:
        """Its name in torch: ``cpu``, ``cuda:0``."""
        ...

    def synchronize(self) -> None:
        """Return when all work queued on the device is done."""
        ...

    def start_events(self) -> object | None:
        """Set a mark on the device's own clock; ``None`` if it has none."""
        ...

    def elapsed(self, start: object) -> float:
        """Seconds on the device's own clock from a mark until now; synchronizes with the device."""
        ...

    def model(self) -> str:
        """The hardware's model name."""
        ...

    def cache_bytes(self) -> int:
        """The size of the last-level cache."""
        ...

    def reset_peak_memory(self) -> None:
        """Start tracking the peak memory."""
        ...

    def peak_memory(self) -> int | None:
        """The peak of device memory in use by torch since the reset, in bytes; ``None`` if torch does not count it."""
        ...


class Cpu:
    """The CPU: calls return when the work is done, so there is nothing to wait for."""

    name = "cpu"

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def start_events(self) -> object | None:
        """A CPU has no clock besides the wall clock."""
        return None

    def elapsed(self, start: object) -> float:
        """Never called, as there are no marks."""
        raise NotImplementedError("a CPU has no event clock")

    def model(self) -> str:
        """The processor's model name."""
        from bench_core.hardware.machine import cpu_model

        return cpu_model()

    def cache_bytes(self) -> int:
        """The size of the last-level cache, as the kernel reports it; 64 MiB if it does not."""
        from bench_core.hardware.machine import last_level_cache

        return last_level_cache() or 64 * 2**20

    def reset_peak_memory(self) -> None:
        """Nothing to do: torch does not count host memory."""

    def peak_memory(self) -> int | None:
        """Torch does not count host memory."""
        return None


class Cuda:
    """An NVIDIA GPU: calls return when the work is queued."""

    def __init__(self, name: str = "cuda") -> None:
        import torch

        if not torch.cuda.is_available():
            raise CaseError("no CUDA device is present here; there is: cpu")
        device = torch.device(name)
        self.index = torch.cuda.current_device() if device.index is None else device.index
        if self.index >= torch.cuda.device_count():
            raise CaseError(f"no device cuda:{self.index}; CUDA devices present: {torch.cuda.device_count()}")
        self.name = f"cuda:{self.index}"
        self._cuda = torch.cuda

    def synchronize(self) -> None:
        """Wait for every stream of this GPU."""
        self._cuda.synchronize(self.index)

    def start_events(self) -> object | None:
        """An event recorded on the GPU's current stream."""
        event = self._cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(self._cuda.current_stream(self.index))
        return event

    def elapsed(self, start: object) -> float:
        """Seconds between the start event and one recorded now, on the GPU's clock."""
        end = self._cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end.record(self._cuda.current_stream(self.index))
        end.synchronize()
        assert isinstance(start, self._cuda.Event)
        return float(start.elapsed_time(end)) / 1e3

    def model(self) -> str:
        """The GPU's model name."""
        return str(self._cuda.get_device_name(self.index))

    def cache_bytes(self) -> int:
        """The size of the L2 cache."""
        return int(self._cuda.get_device_properties(self.index).L2_cache_size)

    def reset_peak_memory(self) -> None:
        """Forget earlier peaks and release cached blocks, so that one case's memory does not count for the next."""
        self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats(self.index)

    def peak_memory(self) -> int | None:
        """The peak of this GPU's memory allocated to tensors since the reset, in bytes."""
        return int(self._cuda.max_memory_allocated(self.index))


def find(name: str) -> Device:
    """The device of this name. Raises ``CaseError``, which lists the devices there are, if there is none."""
    if name == "cpu":
        return Cpu()
    if re.fullmatch(r"cuda(:\d+)?", name):
        return Cuda(name)
    raise CaseError(f"no device {name!r}; there are: {', '.join(DEVICES)}")


def resolve(device: str | Device | Iterable[str]) -> tuple[Device, ...]:
    """The devices given as a name, as a device object, or as several names. Raises ``CaseError`` as ``find`` does."""
    if isinstance(device, str):
        return (find(device),)
    if isinstance(device, Iterable):
        return tuple(find(name) for name in device)
    return (device,)


def present() -> tuple[str, ...]:
    """The device types of this machine, the CPU first."""
    import torch

    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def cuda_absence() -> str | None:
    """The reason why no CUDA device can be used here; ``None`` if one can."""
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    return "torch sees no CUDA device"
