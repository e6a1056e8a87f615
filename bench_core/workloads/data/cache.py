"""Where made-up files are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Where made-up files are kept: $BENCH_CORE_CACHE, $XDG_CACHE_HOME/bench-core or ~/.cache/bench-core."""
    if own := os.environ.get("BENCH_CORE_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "bench-core"
    return Path.home() / ".cache" / "bench-core"
