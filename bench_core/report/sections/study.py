"""A study's section of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bench_core.core.case import DEVICES
from bench_core.report.plots.charts import Plot
from bench_core.report.tables.table import Table

T = TypeVar("T")


class Trained(Protocol):
    """A row of a study of trainings."""

    @property
    def workload(self) -> str:
        """The workload that was trained."""
        ...

    @property
    def device(self) -> str:
        """The type of the device (``cpu``, ``cuda``, ...)."""
        ...


R = TypeVar("R", bound=Trained)


@dataclass(frozen=True)
class Study:
    """The section of one study: a question of its own, and its answer."""

    name: str
    about: str
    sentences: tuple[str, ...]
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]


def by_workload(rows: Iterable[R]) -> Mapping[str, Mapping[str, R]]:
    """The rows of each workload by device, the CPU first."""
    grouped: dict[str, dict[str, R]] = {}
    for row in sorted(rows, key=lambda row: DEVICES.index(row.device)):
        grouped.setdefault(row.workload, {})[row.device] = row
    return grouped


def cpu_and_gpu(devices: Mapping[str, T]) -> tuple[T, T] | None:
    """What a study has for the CPU and for the GPU, of whatever kind it is; ``None`` if it lacks one of them."""
    gpu = next((device for device in devices if device != "cpu"), None)
    return None if gpu is None or "cpu" not in devices else (devices["cpu"], devices[gpu])
