"""Is this machine fit to measure on? Each check with its result, and how to fix what is short."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from bench_core.hardware import machine
from bench_core.hardware.contention import ContentionWatch, contention_flags

BUSY_SHARE = 0.2
"""A one-minute load above this share of the usable cores disturbs measurements."""


@dataclass(frozen=True)
class Check:
    """One fact about the machine; ``fix`` says what to do if it is a shortcoming, else it is empty."""

    what: str
    value: str
    fix: str = ""


def examine() -> list[Check]:
    """All checks, the devices first. Imports torch."""
    return [*_devices(), *_cpus(), *_versions(), *_load(), *_counters()]


def _devices() -> Iterator[Check]:
    from bench_core.hardware.device import cuda_absence

    found = machine.fingerprint()
    yield Check("CPU", f"{found.cpu}, {found.cpu_capability}")
    absence = cuda_absence()
    if absence:
        yield Check("GPU", f"none: {absence}", _gpu_fix())
    for gpu in found.gpus:
        size = f"{gpu.memory / 2**30:.0f} GiB"
        yield Check("GPU", f"{gpu.model}, {size}, compute capability {gpu.compute_capability}")


def _gpu_fix() -> str:
    import torch

    if torch.version.cuda is None:
        return "install a CUDA build of torch"
    if not Path("/proc/driver/nvidia/version").exists() and shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver here; on a machine with an NVIDIA GPU, install its driver"
    return "the driver is there: check `nvidia-smi`, CUDA_VISIBLE_DEVICES and the container's access to the GPU"


def _cpus() -> Iterator[Check]:
    found = machine.fingerprint()
    quota = machine.cgroup_quota()
    allowed = (
        len(psutil.Process().cpu_affinity() or []) if hasattr(psutil.Process, "cpu_affinity") else found.logical_cpus
    )
    limits = f"{allowed} of {found.logical_cpus} CPUs allowed, quota {f'{quota:g}' if quota else 'none'}"
    yield Check("usable cores", f"{found.usable_cpus} ({limits})")
    import torch

    threads = torch.get_num_threads()
    yield Check(
        "torch threads",
        f"{threads} by default; cases use {found.usable_cpus}",
        ""
        if threads == found.usable_cpus
        else "unset OMP_NUM_THREADS to let other torch programs use all usable cores",
    )
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor is None:
        yield Check("CPU frequency governor", "not readable (usual in virtual machines)")
    else:
        fix = "" if governor == "performance" else "sudo cpupower frequency-set -g performance"
        yield Check("CPU frequency governor", governor, fix)
    memory = psutil.virtual_memory()
    yield Check("memory", f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB available")


def _versions() -> Iterator[Check]:
    found = machine.fingerprint()
    yield Check("Python", found.python)
    yield Check("torch", f"{found.torch}, CUDA {found.cuda or 'none'}, cuDNN {found.cudnn or 'none'}")
    fix = "" if found.torchvision else "pip install torchvision, the version that goes with this torch"
    yield Check("torchvision", found.torchvision or "not installed", fix)
    driver_fix = "" if found.driver or not found.gpus else "update nvidia-ml-py"
    yield Check("NVIDIA driver", found.driver or "none", driver_fix)
    yield Check("system", f"{found.os}, kernel {found.kernel}")
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    missing = "install g++ (needed for --bench-variant compile on the CPU)"
    yield Check("C++ compiler", compiler or "none", "" if compiler else missing)


def _load() -> Iterator[Check]:
    load, usable = os.getloadavg()[0], machine.usable_cpus()
    fix = "other work is running: stop it, or wait, then measure" if load > BUSY_SHARE * usable else ""
    yield Check("load, one minute", f"{load:.2f} on {usable} cores", fix)
    yield _interruptions()
    steal = getattr(psutil.cpu_times(), "steal", None)
    if steal is not None:
        share = steal / max(1e-9, sum(psutil.cpu_times()))
        fix = "the host takes the CPU away from this machine: measure on a quieter one" if share > 0.01 else ""
        yield Check("time stolen by the host", f"{100 * share:.2f}% since boot", fix)


def _interruptions(seconds: float = 0.3) -> Check:
    """How often the kernel takes the CPU away from a loop that wants it all."""
    watch = ContentionWatch()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    met = watch.read()
    rate = met.involuntary_switches / met.seconds
    fix = "other work wants the CPU: stop it, then measure" if contention_flags(met, threads=1, cpus=1) else ""
    return Check("taken off the CPU", f"{rate:.0f} times a second in a busy loop", fix)


def _counters() -> Iterator[Check]:
    rapl = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
    if not rapl.exists():
        yield Check("CPU energy counter", "none (RAPL is not exposed, usual in virtual machines)")
    elif os.access(rapl, os.R_OK):
        yield Check("CPU energy counter", "RAPL, readable")
    else:
        yield Check("CPU energy counter", "RAPL, not readable", f"sudo chmod o+r {rapl}")
    yield from _nvml_counters()


def _nvml_counters() -> Iterator[Check]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield Check("GPU energy and clock counters", "none: NVML finds no NVIDIA driver")
        return
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            readings: dict[str, Callable[[], str]] = {
                "energy": partial(_energy, handle),
                "SM clock": partial(_clock, handle),
                "temperature": partial(_temperature, handle),
            }
            for name, read in readings.items():
                try:
                    yield Check(f"GPU {index} {name}", read())
                except pynvml.NVMLError as error:
                    yield Check(f"GPU {index} {name}", f"not readable ({error})")
    finally:
        pynvml.nvmlShutdown()


def _energy(handle: object) -> str:
    import pynvml

    return f"{pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3:.0f} J since the driver started"


def _clock(handle: object) -> str:
    import pynvml

    return f"{pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)} MHz"


def _temperature(handle: object) -> str:
    import pynvml

    return f"{pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)} °C"


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
