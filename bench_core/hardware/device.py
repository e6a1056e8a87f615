"""One small class per kind of device: how to synchronize with it, its model, the memory it used.

A device is any object with the members of ``Device``; the clock does not depend on the kind of device.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from bench_core.core.case import DEVICE_TITLES, DEVICES, cpu_dtype
from bench_core.core.errors import CaseError

UNKNOWN_CACHE = 64 * 2**20
"""Bytes assumed for the last cache of a device that does not report it."""


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

        return last_level_cache() or UNKNOWN_CACHE

    def reset_peak_memory(self) -> None:
        """Nothing to do: torch does not count host memory."""

    def peak_memory(self) -> int | None:
        """Torch does not count host memory."""
        return None


@dataclass(frozen=True)
class AcceleratorKind:
    """What is known in advance of a kind of accelerator: its name for people, and what torch has on it alone."""

    title: str
    has_tf32: bool = False
    has_graphs: bool = False


ACCELERATORS: Mapping[str, AcceleratorKind] = MappingProxyType(
    {
        # AMD's GPUs too: torch for ROCm calls them cuda.
        "cuda": AcceleratorKind("CUDA device", has_tf32=True, has_graphs=True),
        "mps": AcceleratorKind(DEVICE_TITLES["mps"]),
        "xpu": AcceleratorKind(DEVICE_TITLES["xpu"]),
    }
)


class Accelerator:
    """A GPU of any kind that ``torch.accelerator`` serves: calls return when the work is queued."""

    def __init__(self, name: str = "cuda") -> None:
        import torch

        kind, _, index = name.partition(":")
        title = ACCELERATORS[kind].title
        if absence(kind):
            raise CaseError(f"no {title} is present here; there is: {', '.join(present())}")
        count = torch.accelerator.device_count()
        self.index = int(index) if index else torch.accelerator.current_device_index()
        if self.index >= count:
            raise CaseError(f"no device {kind}:{self.index}; {title}s present: {count}")
        self.name = f"{kind}:{self.index}"
        self._module: Any = torch.get_device_module(kind)

    def synchronize(self) -> None:
        """Wait for every stream of this device."""
        import torch

        torch.accelerator.synchronize(self.index)

    def start_events(self) -> object | None:
        """An event recorded on the device's current stream; ``None`` if its events have no time."""
        import torch

        try:
            event = torch.Event(device=self.name, enable_timing=True)
            event.record(torch.accelerator.current_stream(self.index))
        except (NotImplementedError, RuntimeError):
            return None
        return event

    def elapsed(self, start: object) -> float:
        """Seconds between the start event and one recorded now, on the device's clock."""
        import torch

        assert isinstance(start, torch.Event)
        end = torch.Event(device=self.name, enable_timing=True)
        end.record(torch.accelerator.current_stream(self.index))
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    def model(self) -> str:
        """The hardware's model name; an Apple GPU has that of its chip."""
        from bench_core.hardware.machine import cpu_model

        get_name = getattr(self._module, "get_device_name", None)
        return str(get_name(self.index)) if get_name else f"{cpu_model()} GPU"

    def cache_bytes(self) -> int:
        """The size of the L2 cache; 64 MiB if torch does not report it."""
        get_properties = getattr(self._module, "get_device_properties", None)
        properties = get_properties(self.index) if get_properties else None
        return int(getattr(properties, "L2_cache_size", 0)) or UNKNOWN_CACHE

    def reset_peak_memory(self) -> None:
        """Forget earlier peaks and release cached blocks, so that one case's memory does not count for the next."""
        import torch

        with contextlib.suppress(NotImplementedError, RuntimeError):
            torch.accelerator.empty_cache()
            torch.accelerator.reset_peak_memory_stats(self.index)

    def peak_memory(self) -> int | None:
        """The peak of this device's memory allocated to tensors since the reset, in bytes; ``None`` if torch does not
        count it."""
        import torch

        try:
            peak = torch.accelerator.memory_stats(self.index).get("allocated_bytes.all.peak")
        except (NotImplementedError, RuntimeError):
            return None
        return None if peak is None else int(peak)


def find(name: str) -> Device:
    """The device of this name. Raises ``CaseError``, which lists the devices there are, if there is none."""
    if name == "cpu":
        return Cpu()
    if is_accelerator(name):
        return Accelerator(name)
    raise CaseError(f"no device {name!r}; there are: {', '.join(DEVICES)}")


def is_accelerator(name: str) -> bool:
    """Whether a name is that of an accelerator, with or without an index: ``cuda``, ``cuda:1``."""
    return re.fullmatch(rf"({'|'.join(ACCELERATORS)})(:\d+)?", name) is not None


def resolve(device: str | Device | Iterable[str]) -> tuple[Device, ...]:
    """The devices given as a name, as a device object, or as several names. Raises ``CaseError`` as ``find`` does."""
    if isinstance(device, str):
        return (find(device),)
    if isinstance(device, Iterable):
        return tuple(find(name) for name in device)
    return (device,)


def present() -> tuple[str, ...]:
    """The device types of this machine, the CPU first."""
    return tuple(name for name in DEVICES if name == "cpu" or absence(name) is None)


def device_dtype(dtype: str, device_type: str) -> str:
    """What a dtype is on a device type: fp32 for tf32 on a device without TF32, otherwise the same."""
    has_tf32 = device_type in ACCELERATORS and ACCELERATORS[device_type].has_tf32
    return dtype if has_tf32 else cpu_dtype(dtype)


def absence(kind: str) -> str | None:
    """The reason why no accelerator of a kind can be used here; ``None`` if one can."""
    import torch

    usable = torch.accelerator.current_accelerator(check_available=True)
    if usable is not None and usable.type == kind:
        return None
    if kind == "cuda" and torch.version.cuda is None and torch.version.hip is None:
        return "this torch was built without CUDA"
    return f"torch sees no {ACCELERATORS[kind].title}"
