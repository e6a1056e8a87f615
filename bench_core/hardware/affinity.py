"""The CPUs that this process may use, by its affinity mask."""

from __future__ import annotations

import os


def allowed_cpus() -> set[int] | None:
    """The numbers of the CPUs in the affinity mask; ``None`` on systems without one, such as macOS."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
