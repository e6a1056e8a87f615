"""How much memory this process uses, as the kernel counts it; how much of an accelerator's it may use."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from collections.abc import Iterable
from pathlib import Path

import psutil

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def resident() -> int:
    """Bytes of physical memory in use."""
    return int(psutil.Process().memory_info().rss)


def trim() -> None:
    """Give memory that was freed back to the system, where the C library can do that (glibc), so that what an earlier
    case used does not count for the next."""
    gc.collect()
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if release is not None:
        release(0)


def reset_peak() -> bool:
    """Forget the peak so far; whether the system can do that (Linux)."""
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return False
    return True


def peak() -> int | None:
    """The peak of ``resident`` since the last reset, in bytes; ``None`` where the system does not count it."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None


def release(devices: Iterable[str]) -> None:
    """Give blocks that torch keeps for later back to the accelerators."""
    import torch

    if any(device != "cpu" for device in devices):
        with contextlib.suppress(NotImplementedError, RuntimeError):
            torch.accelerator.empty_cache()


def limit(device: str, share: float) -> None:
    """Let torch use at most this share of an accelerator's memory, where torch can limit it."""
    import torch

    kind, _, index = device.partition(":")
    set_share = getattr(torch.get_device_module(kind), "set_per_process_memory_fraction", None)
    if set_share is not None:
        set_share(share, *(() if kind == "mps" else (int(index or 0),)))  # there is one mps device only
