"""Other work on the CPUs while a case is measured, from the kernel's counters."""

from __future__ import annotations

import sys
import time

import psutil

from bench_core.core.results import Contention, Flag, FlagCode

SWITCHES_PER_SECOND = 50.0
"""Involuntary context switches per second and usable core above which a case is flagged."""
STOLEN_SHARE = 0.01
"""Share of CPU time given to other machines above which a case is flagged."""


class ContentionWatch:
    """Reads the kernel's counters when it is created, and again in ``read``."""

    def __init__(self) -> None:
        self._load = psutil.getloadavg()[0]
        self._start = time.perf_counter()
        self._switches = _involuntary_switches()
        self._cpu_times = _stolen_and_all()

    def read(self) -> Contention:
        """What happened since this watch was created."""
        stolen = None
        now = _stolen_and_all()
        if now and self._cpu_times and now[1] > self._cpu_times[1]:
            stolen = (now[0] - self._cpu_times[0]) / (now[1] - self._cpu_times[1])
        switches = _involuntary_switches()
        return Contention(
            seconds=time.perf_counter() - self._start,
            involuntary_switches=None if switches is None or self._switches is None else switches - self._switches,
            stolen=stolen,
            load_before=self._load,
        )


if sys.platform == "win32":

    def _involuntary_switches() -> int | None:
        return None  # Windows does not count them
else:
    import resource

    def _involuntary_switches() -> int | None:
        # psutil counts those of one thread only.
        return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _stolen_and_all() -> tuple[float, float] | None:
    times = psutil.cpu_times()
    steal = getattr(times, "steal", None)
    # Guest times are already part of user times.
    counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return None if steal is None else (float(steal), float(counted))


def contention_flags(contention: Contention, threads: int, cpus: int) -> tuple[Flag, ...]:
    """Warnings for work of ``threads`` threads on ``cpus`` usable cores."""
    flags = []
    rate = contention.switch_rate
    if threads > cpus:
        words = f"more threads ({threads}) than usable cores ({cpus}): they take the CPU from each other"
        flags.append(Flag(FlagCode.TOO_MANY_THREADS, words))
    elif rate is not None and rate / cpus > SWITCHES_PER_SECOND:
        words = f"contention: other work took the CPU away {rate:.0f} times a second"
        flags.append(Flag(FlagCode.CONTENTION, words))
    if contention.stolen is not None and contention.stolen > STOLEN_SHARE:
        words = f"contention: the host gave {100 * contention.stolen:.0f}% of the CPU time to other machines"
        flags.append(Flag(FlagCode.STOLEN_TIME, words))
    return tuple(flags)
