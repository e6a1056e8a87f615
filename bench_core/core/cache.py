"""The folder for generated files, which may be deleted at any time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
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


@contextlib.contextmanager
def draft(path: Path) -> Iterator[Path]:
    """An empty file to write. It takes the place of ``path`` when it is complete, so that no reader sees a part of it.

    Raises ``OSError`` if that is not possible.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
