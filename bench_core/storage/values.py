"""The values of series over time, one for each case, metric and run: the rows of ``history.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TIME, MEMORY = "time per call", "peak memory"
"""The metrics of stored runs."""
SECONDS, BYTES = "s", "B"
"""Their units."""
UNITS: Mapping[str, str] = MappingProxyType({TIME: SECONDS, MEMORY: BYTES})
"""The unit of each."""


@dataclass(frozen=True, slots=True)
class SeriesId:
    """What all values of a series have in common, so that machines and software versions are never mixed.

    ``device`` is the model of the device, ``machine`` and ``software`` describe the rest. ``threads`` is the number of
    CPU threads; ``None`` if it is not known.
    """

    case: str
    metric: str = TIME
    unit: str = SECONDS
    device: str = ""
    threads: int | None = None
    machine: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that a value is from: its start (ISO 8601, UTC), its commit, whether files of that had been changed, and
    its id, which is empty if it is not known."""

    started: str
    commit: str | None = None
    dirty: bool | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A value in the unit of its series, and the ends of its interval of this confidence; ``None`` without one."""

    series: SeriesId
    origin: Origin
    value: float
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
