"""The fingerprint of the machine and its software, and the number of cores this process may use."""

from __future__ import annotations

import contextlib
import math
import os
import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from bench_core.core.machine import Gpu, Machine
from bench_core.hardware import waiting
from bench_core.hardware.affinity import allowed_cpus


def cpu_model() -> str:
    """The CPU's model name, as the kernel reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def last_level_cache() -> int | None:
    """The total size of all last-level caches in bytes; ``None`` if the kernel does not report it."""
    by_level: dict[int, dict[str, int]] = {}
    for index in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cache/index*"):
        try:
            size = (index / "size").read_text().strip()
            level, sharers = int((index / "level").read_text()), (index / "shared_cpu_list").read_text()
            by_level.setdefault(level, {})[sharers] = int(size[:-1]) * {"K": 2**10, "M": 2**20}[size[-1]]
        except (OSError, ValueError, KeyError):
            continue
    return sum(by_level[max(by_level)].values()) if by_level else None


def usable_cpus(topology: Path = Path("/sys/devices/system/cpu")) -> int:
    """The number of cores this process may use: those of its affinity mask, but at most its cgroup quota; at least one.

    Two hardware threads of one core count once: together they compute about as fast as one.
    """
    cores = _allowed_cores(topology)
    quota = cgroup_quota()
    return max(1, min(cores, math.ceil(quota))) if quota else cores


def _allowed_cores(topology: Path) -> int:
    """The cores of the affinity mask; all cores on systems without one, such as macOS."""
    allowed = allowed_cpus()
    if allowed is not None:
        return len({_siblings(topology, cpu) for cpu in allowed})
    cores: int | None = psutil.cpu_count(logical=False)
    return cores or os.cpu_count() or 1


def _siblings(topology: Path, cpu: int) -> str:
    """The hardware threads of a CPU's core, as the kernel lists them."""
    try:
        return (topology / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def cgroup_quota() -> float | None:
    """The CPU time that the control group and its parents allow, as a number of CPUs; ``None`` without a limit.

    Reads cgroup v2, then v1.
    """
    limits = [limit for folder in _cgroup_folders() if (limit := _cpu_max(folder)) is not None]
    if limits:
        return min(limits)
    try:
        v1 = Path("/sys/fs/cgroup/cpu")
        limit_v1 = int((v1 / "cpu.cfs_quota_us").read_text())
        return limit_v1 / int((v1 / "cpu.cfs_period_us").read_text()) if limit_v1 > 0 else None
    except (OSError, ValueError):
        return None


def _cpu_max(folder: Path) -> float | None:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _cgroup_folders() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()[0].rpartition(":")[2].strip("/")
    except (OSError, IndexError):
        own = ""
    folder = root / own
    return [folder, *(parent for parent in folder.parents if parent == root or root in parent.parents)]


EMULATION = "EMULATED_CUDA"
"""The environment variable that marks a process whose GPUs are emulated."""


@cache
def fingerprint() -> Machine:
    """This machine, as torch sees it."""
    import torch

    return Machine(
        cpu=cpu_model(),
        cpu_capability=str(torch.backends.cpu.get_cpu_capability()),
        usable_cpus=usable_cpus(),
        logical_cpus=os.cpu_count() or 1,
        memory=int(psutil.virtual_memory().total),
        gpus=_gpus(),
        driver=_driver(),
        cuda=torch.version.cuda,
        cudnn=_cudnn(),
        torch=str(torch.__version__),
        torchvision=_version_of("torchvision"),
        python=platform.python_version(),
        os=_os_name(),
        kernel=platform.release(),
        emulated=EMULATION in os.environ,
        waiting=waiting.policy(),
    )


def _gpus() -> tuple[Gpu, ...]:
    import torch

    kind = torch.accelerator.current_accelerator(check_available=True)
    return tuple(_gpu(kind.type, i) for i in range(torch.accelerator.device_count())) if kind else ()


def _gpu(kind: str, index: int) -> Gpu:
    from bench_core.hardware.device import Accelerator

    model = Accelerator(f"{kind}:{index}").model()
    if kind == "mps":
        import torch

        return Gpu(model, int(torch.mps.recommended_max_memory()), "")
    properties: Any = _module(kind).get_device_properties(index)
    capability = f"{properties.major}.{properties.minor}" if kind == "cuda" else ""
    return Gpu(model, int(properties.total_memory), capability)


def _module(kind: str) -> Any:
    import torch

    return torch.get_device_module(kind)


def gpu_uuid(device: str) -> str:
    """The UUID of an NVIDIA GPU as its driver writes it."""
    import torch

    properties: Any = torch.cuda.get_device_properties(torch.device(device))
    uuid = str(properties.uuid)
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def _cudnn() -> str | None:
    import torch

    version = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return None if version is None else str(version)


@contextlib.contextmanager
def nvml() -> Iterator[Any | None]:
    """NVML's Python module, initialized; ``None`` without an NVIDIA driver or without the package nvidia-ml-py."""
    try:
        import pynvml
    except ModuleNotFoundError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _driver() -> str | None:
    with nvml() as library:
        if library is None:
            return None
        version = library.nvmlSystemGetDriverVersion()
        return version.decode() if isinstance(version, bytes) else str(version)


def _version_of(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _os_name() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return release.get("PRETTY_NAME", platform.system())
