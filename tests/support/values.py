"""Values of series over time, as stored runs have them; one run a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bench_core.analysis.history.series import Collected, collect
from bench_core.storage.history_files import NO_RUNS
from bench_core.storage.values import Origin, SeriesId, Value

FIRST_DAY = datetime(2026, 1, 1, 6, 30, tzinfo=UTC)


def started(day: int) -> str:
    """When the run of a day was started."""
    return (FIRST_DAY + timedelta(days=day)).isoformat()


def commit(day: int) -> str:
    """The commit of the run of a day."""
    return f"{day:04d}".ljust(40, "c")


def origin(day: int, **changes: Any) -> Origin:
    return replace(Origin(started(day), commit(day), False, f"run-{day}"), **changes)


def noisy(levels: Iterable[tuple[int, float]], seed: int = 0, noise: float = 0.01) -> list[float]:
    """So many numbers at each level, with normal noise relative to it."""
    rng = np.random.default_rng(seed)
    return [float(level * (1.0 + rng.normal(0.0, noise))) for count, level in levels for _ in range(count)]


def values(numbers: Iterable[float], case: str = "mlp_train-cpu-b64-fp32-eager", **facts: Any) -> list[Value]:
    """A value a day; ``facts`` are those of the series."""
    like = SeriesId(case, device="Synthetic CPU", threads=16, machine="Synthetic CPU, 16 CPUs", software="torch 2.11.0")
    series = replace(like, **facts)
    return [
        Value(series, origin(day), number, 0.99 * number, 1.01 * number, 0.95) for day, number in enumerate(numbers)
    ]


def collected(*series: Iterable[Value]) -> Collected:
    """These values without any stored run."""
    return collect(NO_RUNS, [value for of in series for value in of])
