"""Is this machine suitable for measuring? Each check with its result and, where needed, a suggested fix."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from bench_core.hardware import machine, waiting
from bench_core.hardware.contention import ContentionWatch, contention_flags

BUSY_SHARE = 0.2
"""A one-minute load above this share of the usable cores disturbs measurements."""


@dataclass(frozen=True)
class Check:
    """One fact about the machine; ``fix`` says what to do if it is a problem, and is empty if it is not."""

    what: str
    value: str
    fix: str = ""


def examine() -> list[Check]:
    """All checks, the devices first. Imports torch."""
    return [*_devices(), *_cpus(), *_versions(), *_load(), *_counters()]


def quick(*, watch: bool = True) -> list[Check]:
    """The checks of what may disturb a run that is about to begin: load, steal, frequency governor, and with ``watch``,
    which takes 0.3 s, how often this process is interrupted."""
    return [*_governor(), *_load(watch=watch)]


def _devices() -> Iterator[Check]:
    from bench_core.hardware.device import absence, present

    here = machine.fingerprint()
    yield Check("CPU", f"{here.cpu}, {here.cpu_capability}")
    kinds = [kind for kind in present() if kind != "cpu"]
    if not kinds:
        yield Check("GPU", f"none: {absence('cuda')}", _gpu_fix())
    for gpu in here.gpus:
        facts = [f"{gpu.model} ({kinds[0]})", f"{gpu.memory / 2**30:.0f} GiB"]
        facts += [f"compute capability {gpu.compute_capability}"] if gpu.compute_capability else []
        yield Check("GPU", ", ".join(facts))


def _gpu_fix() -> str:
    import torch

    if torch.version.cuda is None:
        return "install a CUDA build of torch"
    if not Path("/proc/driver/nvidia/version").exists() and shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver here; on a machine with an NVIDIA GPU, install its driver"
    return "a driver is installed: check `nvidia-smi`, CUDA_VISIBLE_DEVICES and the container's access to the GPU"


def _cpus() -> Iterator[Check]:
    here = machine.fingerprint()
    quota = machine.cgroup_quota()
    allowed = (
        len(psutil.Process().cpu_affinity() or []) if hasattr(psutil.Process, "cpu_affinity") else here.logical_cpus
    )
    limits = f"{allowed} of {here.logical_cpus} CPUs allowed, quota {f'{quota:g}' if quota else 'none'}"
    yield Check("usable cores", f"{here.usable_cpus} ({limits})")
    import torch

    threads = torch.get_num_threads()
    yield Check(
        "torch threads",
        f"{threads} by default; cases use {here.usable_cpus}",
        "" if threads == here.usable_cpus else "unset OMP_NUM_THREADS to let other torch programs use all usable cores",
    )
    yield from _governor()
    yield _waiting()
    memory = psutil.virtual_memory()
    yield Check("memory", f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB available")


def _governor() -> Iterator[Check]:
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor is None:
        yield Check("CPU frequency governor", "not readable (usual in virtual machines)")
    else:
        fix = "" if governor == "performance" else "sudo cpupower frequency-set -g performance"
        yield Check("CPU frequency governor", governor, fix)


def _waiting() -> Check:
    policy, busy = waiting.policy(), waiting.busy_cores()
    passive = ", ".join(f"{name}={value}" for name, value in waiting.PASSIVE.items())
    fix = f"other work runs: set {passive} before torch is loaded" if busy > waiting.BUSY_CORES else ""
    return Check("waiting threads", policy, fix if policy == waiting.DEFAULT else "")


def _versions() -> Iterator[Check]:
    here = machine.fingerprint()
    yield Check("Python", here.python)
    yield Check("torch", f"{here.torch}, CUDA {here.cuda or 'none'}, cuDNN {here.cudnn or 'none'}")
    fix = "" if here.torchvision else "pip install torchvision, the version that matches this torch"
    yield Check("torchvision", here.torchvision or "not installed", fix)
    driver_fix = "" if here.driver or not here.gpus else "install or update nvidia-ml-py"
    yield Check("NVIDIA driver", here.driver or "none", driver_fix)
    yield Check("system", f"{here.os}, kernel {here.kernel}")
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    missing = "install g++ (needed for --bench-variant compile on the CPU)"
    yield Check("C++ compiler", compiler or "none", "" if compiler else missing)


def _load(*, watch: bool = True) -> Iterator[Check]:
    load, usable = psutil.getloadavg()[0], machine.usable_cpus()
    fix = "other processes are running: stop them, or wait, then measure" if load > BUSY_SHARE * usable else ""
    yield Check("load, one minute", f"{load:.2f} on {usable} cores", fix)
    if watch:
        yield _interruptions()
    steal = getattr(psutil.cpu_times(), "steal", None)
    if steal is not None:
        share = steal / max(1e-9, sum(psutil.cpu_times()))
        fix = "the host takes the CPU away from this machine: measure on a quieter one" if share > 0.01 else ""
        yield Check("time stolen by the host", f"{100 * share:.2f}% since boot", fix)


def _interruptions(seconds: float = 0.3) -> Check:
    """How often the kernel interrupts a busy loop in favor of other work."""
    watch = ContentionWatch()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    contention = watch.read()
    what, rate = "involuntary context switches", contention.switch_rate
    if rate is None:
        return Check(what, "not counted by this system")
    disturbed = contention_flags(contention, threads=1, cpus=1)
    fix = "other processes compete for the CPU: stop them, then measure" if disturbed else ""
    return Check(what, f"{rate:.0f} per second in a busy loop", fix)


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
    with machine.nvml() as nvml:
        if nvml is None:
            yield Check("GPU energy and clock counters", "none: NVML finds no NVIDIA driver")
            return
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            readings: dict[str, Callable[[], str]] = {
                "energy": partial(_energy, nvml, handle),
                "SM clock": partial(_clock, nvml, handle),
                "temperature": partial(_temperature, nvml, handle),
            }
            for name, read in readings.items():
                try:
                    yield Check(f"GPU {index} {name}", read())
                except nvml.NVMLError as error:
                    yield Check(f"GPU {index} {name}", f"not readable ({error})")


def _energy(nvml: Any, handle: object) -> str:
    return f"{nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3:.0f} J since the driver started"


def _clock(nvml: Any, handle: object) -> str:
    return f"{nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)} MHz"


def _temperature(nvml: Any, handle: object) -> str:
    return f"{nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)} °C"


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
