"""How many kernels a call runs on a GPU, counted by torch's profiler in a call of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch.autograd import DeviceType

from bench_core.hardware.device import Device

TRANSFERS = ("Memcpy", "Memset")
"""What the names of the profiler's events begin with that are not kernels."""


@dataclass(frozen=True)
class Kernels:
    """How many kernels a call runs; ``missing`` is the reason where that is not known."""

    count: int | None
    missing: str = ""


def kernels_of(fn: Callable[[], Any], device: Device) -> Kernels:
    """Call a function once under torch's profiler. Whatever the profiler cannot do is a reason, never an error.

    The profiler may stay attached to the driver and slow down every later launch of this process.
    """
    if device.name.partition(":")[0] != "cuda":
        return Kernels(None, "kernels are counted on CUDA devices only")
    from torch.profiler import ProfilerActivity, profile, supported_activities

    if ProfilerActivity.CUDA not in supported_activities():
        return Kernels(None, "this torch was built without CUPTI or roctracer, which see kernels")
    device.synchronize()
    try:
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            fn()
            device.synchronize()
        count = number_of_kernels(seen.events() or ())
    except RuntimeError as error:
        return Kernels(None, f"torch's profiler: {str(error).splitlines()[0]}")
    return Kernels(count) if count else Kernels(None, "torch's profiler saw no kernel")


def number_of_kernels(events: Iterable[Any]) -> int:
    """How many of the profiler's events are kernels on a GPU: neither copies, nor marks of users, nor calls of the
    host. Those that are replayed by a CUDA graph are among them."""
    on_gpu = [event for event in events if event.device_type == DeviceType.CUDA]
    marks = [event for event in on_gpu if getattr(event, "is_user_annotation", False)]
    return len(on_gpu) - len(marks) - sum(event.name.startswith(TRANSFERS) for event in on_gpu if event not in marks)
