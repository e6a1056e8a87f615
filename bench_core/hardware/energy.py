"""Counters of energy: NVML's for NVIDIA GPUs, the kernel's RAPL for CPUs. What they include is their boundary."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bench_core.core.errors import CounterError
from bench_core.core.results import CPU_PACKAGES, GPU_BOARD
from bench_core.hardware import machine

POWERCAP = Path("/sys/class/powercap")


class Counter(Protocol):
    """A counter of joules that only rises."""

    boundary: str

    def read(self) -> float:
        """Joules since some moment. Raises ``CounterError``."""
        ...

    def between(self, before: float, after: float) -> float:
        """Joules between two readings, of which the second may be after the counter began anew."""
        ...


@dataclass(frozen=True)
class Counters:
    """The counters for some devices, and the reasons why others are missing."""

    counters: tuple[Counter, ...]
    missing: tuple[str, ...]


@contextlib.contextmanager
def counters(devices: Sequence[str]) -> Iterator[Counters]:
    """The counters of these devices; that of the CPU is always among them, as the host works for every device."""
    with machine.nvml() as library:
        found: list[Counter] = []
        missing: list[str] = []
        wanted: list[Callable[[], Counter]] = [_rapl]
        wanted += [partial(_nvml, library, device) for device in devices if device != "cpu"]
        for make in wanted:
            try:
                found.append(make())
            except CounterError as reason:
                missing.append(str(reason))
        yield Counters(tuple(found), tuple(dict.fromkeys(missing)))


class Rapl:
    """The energy of all CPU packages. Each has a counter in microjoules that begins anew after some value."""

    boundary = CPU_PACKAGES

    def __init__(self, packages: Iterable[Path]) -> None:
        self._files = [package / "energy_uj" for package in packages]
        self._range = sum(_number(package / "max_energy_range_uj") for package in packages) / 1e6

    def read(self) -> float:
        """Joules of all packages together."""
        return sum(_number(file) for file in self._files) / 1e6

    def between(self, before: float, after: float) -> float:
        """Joules between two readings, at most one turn of the counters apart."""
        return after - before if after >= before else after - before + self._range


class NvmlEnergy:
    """The energy of a GPU's board since its driver was loaded, in steps of some tens of milliseconds."""

    boundary = GPU_BOARD

    def __init__(self, library: Any, handle: object) -> None:
        self._library, self._handle = library, handle

    def read(self) -> float:
        """Joules of the board."""
        try:
            return float(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except self._library.NVMLError as error:
            raise CounterError(f"{GPU_BOARD}: {error}") from None

    def between(self, before: float, after: float) -> float:
        """Joules between two readings."""
        return after - before


def _rapl() -> Rapl:
    packages = sorted(POWERCAP.glob("intel-rapl:[0-9]*"))
    packages = [package for package in packages if package.name.count(":") == 1]
    if not packages:
        raise CounterError(f"{CPU_PACKAGES}: this system has none, as is usual in virtual machines")
    rapl = Rapl(packages)
    rapl.read()
    return rapl


def _number(path: Path) -> float:
    try:
        return float(path.read_text())
    except PermissionError:
        raise CounterError(f"{CPU_PACKAGES}: {path} is not readable; sudo chmod o+r {path}") from None
    except (OSError, ValueError) as error:
        raise CounterError(f"{CPU_PACKAGES}: {path} cannot be read ({error})") from None


def _nvml(library: Any | None, device: str) -> NvmlEnergy:
    """The counter of the GPU that torch calls ``device``, found by its UUID: NVML may number GPUs in another order."""
    kind = device.partition(":")[0]
    if kind != "cuda" or library is None:
        raise CounterError(f"{GPU_BOARD}: there is none for {device}")
    uuid = machine.gpu_uuid(device)
    try:
        handle = library.nvmlDeviceGetHandleByUUID(uuid)
    except library.NVMLError as error:
        raise CounterError(f"{GPU_BOARD}: {uuid}: {error}") from None
    counter = NvmlEnergy(library, handle)
    counter.read()
    return counter
