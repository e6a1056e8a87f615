"""Stored runs as one table, for people who analyze them themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench_core.analysis.causes import causes, limits
from bench_core.analysis.comparison import Result
from bench_core.core.extras import needs
from bench_core.storage.files import load_all

if TYPE_CHECKING:
    import pandas as pd


def load(paths: str | Path | Iterable[str | Path] = "results") -> pd.DataFrame:
    """The cases of stored runs: one row per case and run, the oldest run first, units in the names of the columns.

    ``paths`` are files of stored runs, or folders that are searched in depth. Each run is read once.
    docs/data.md describes the columns. Raises ``BenchError`` for a file that is named itself and cannot be read, if
    there is nothing to read, and if pandas is not installed.
    """
    with needs("report", "bench_core.load"):
        import pandas as pd

        from bench_core.report.tables.frame import records_frame
    named = [paths] if isinstance(paths, str | Path) else paths
    frames = []
    for run in load_all([Path(path) for path in named]):
        results = [Result(record, run.info) for record in run.records]
        frames.append(records_frame(results, causes(results, limits([run]))))
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
