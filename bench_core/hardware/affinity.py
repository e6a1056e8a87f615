"""The CPUs that this process may use, by its affinity mask."""

from __future__ import annotations

import os


def allowed_cpus() -> set[int] | None:
    """The numbers of the CPUs in the affinity mask; ``None`` on systems without one, such as macOS."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def move_to(cpu: int) -> None:
    """Move the calling thread to a CPU, where the system can and allows it. It may be moved again at any time."""
    allowed = allowed_cpus()
    if allowed is not None and cpu in allowed:
        os.sched_setaffinity(0, {cpu})
        os.sched_setaffinity(0, allowed)
