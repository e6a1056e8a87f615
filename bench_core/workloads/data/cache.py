"""The folder for generated files."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The folder for generated files: $BENCH_CORE_CACHE, $XDG_CACHE_HOME/bench-core or ~/.cache/bench-core.

    Raises ``RuntimeError`` if none of them is set and there is no home directory.
    """
    if own := os.environ.get("BENCH_CORE_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "bench-core"
    return Path.home() / ".cache" / "bench-core"
