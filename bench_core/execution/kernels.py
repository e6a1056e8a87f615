"""How many kernels a call runs on a GPU, counted by torch's profiler in a call of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bench_core.hardware.device import Device

ON_GPU = "CUDA"
"""The name of the profiler's device type for a GPU."""
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
    from torch import profiler

    supported: Any = profiler.supported_activities
    if profiler.ProfilerActivity.CUDA not in supported():
        return Kernels(None, "this torch was built without CUPTI or roctracer, which see kernels")
    device.synchronize()
    try:
        with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as seen:
            fn()
            device.synchronize()
        count = number_of_kernels(seen.events() or ())
    except RuntimeError as error:
        return Kernels(None, f"torch's profiler: {str(error).splitlines()[0]}")
    return Kernels(count) if count else Kernels(None, "torch's profiler saw no kernel")


def number_of_kernels(events: Iterable[Any]) -> int:
    """How many of the profiler's events are kernels on a GPU: neither copies, nor marks of users, nor calls of the
    host. Those that are replayed by a CUDA graph are among them."""
    on_gpu = [event for event in events if event.device_type.name == ON_GPU]
    work = [event for event in on_gpu if not getattr(event, "is_user_annotation", False)]
    return len([event for event in work if not event.name.startswith(TRANSFERS)])
