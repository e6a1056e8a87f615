"""Other work on the CPUs while a case is measured, from the kernel's counters."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from bench_core.core.records import CONTENDED
from bench_core.core.results import Contention, Flag, FlagCode
from bench_core.hardware.affinity import allowed_cpus
from bench_core.hardware.machine import usable_cpus

SWITCHES_PER_SECOND = 50.0
"""Involuntary context switches per second and usable core above which a case is flagged."""
WAITED_SHARE = 0.1
"""Share of the time that its threads waited for a CPU above which a case is flagged."""
OTHER_CORES = 0.2
"""If other processes keep fewer CPUs busy than this, the threads of this process waited for each other."""
STOLEN_SHARE = 0.01
"""Share of CPU time given to other machines above which a case is flagged."""


class ContentionWatch:
    """Reads the kernel's counters when it is created, and again in ``read``.

    What the descendants of the process ``root`` do is not other work; by default it is this process.
    """

    def __init__(self, root: int | None = None) -> None:
        self._root = root
        self._load = psutil.getloadavg()[0]
        self._start = time.perf_counter()
        self._switches = _involuntary_switches()
        self._delay = _delay()
        self._others = _other_seconds(root)
        self._cpu_times = _stolen_and_all()

    def read(self) -> Contention:
        """What happened since this watch was created."""
        stolen = None
        now = _stolen_and_all()
        if now and self._cpu_times and now[1] > self._cpu_times[1]:
            stolen = (now[0] - self._cpu_times[0]) / (now[1] - self._cpu_times[1])
        switches = _involuntary_switches()
        seconds = time.perf_counter() - self._start
        others = _difference(_other_seconds(self._root), self._others)
        return Contention(
            seconds=seconds,
            involuntary_switches=None if switches is None or self._switches is None else switches - self._switches,
            stolen=stolen,
            load_before=self._load,
            delay=_difference(_delay(), self._delay),
            other_cores=None if others is None else others / seconds,
        )

    def contended(self, threads: int) -> bool:
        """Whether other work took the CPU from ``threads`` threads since this watch was created."""
        flags = contention_flags(self.read(), threads, usable_cpus())
        return any(flag.code in CONTENDED for flag in flags)


if sys.platform == "win32":

    def _involuntary_switches() -> int | None:
        return None  # Windows does not count them
else:
    import resource

    def _involuntary_switches() -> int | None:
        # psutil counts those of one thread only.
        return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _delay() -> float | None:
    """Seconds that the threads of this process were ready to run but waited for a CPU."""
    waited = 0
    try:
        for path in Path("/proc/self/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
                waited += int((path / "schedstat").read_text().split()[1])
    except OSError:
        return None
    return waited / 1e9


def _other_seconds(root: int | None) -> float | None:
    """Seconds that the CPUs which this process may use were busy, without those of a process and its children; ``None``
    means this process."""
    allowed = allowed_cpus()
    if allowed is None:
        return None
    busy = sum(_busy(times) for cpu, times in enumerate(psutil.cpu_times(percpu=True)) if cpu in allowed)
    own = psutil.Process(root)
    return busy - sum(_used(process) for process in (own, *own.children(recursive=True)))


def _busy(times: Any) -> float:
    """Seconds that a CPU computed; guest times are part of user times."""
    return float(sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq")))


def _used(process: psutil.Process) -> float:
    """Seconds of CPU time that a process used, with those of its children that have ended."""
    try:
        return float(sum(process.cpu_times()[:4]))
    except psutil.Error:  # it ended meanwhile
        return 0.0


def _difference(now: float | None, before: float | None) -> float | None:
    """The increase; threads that ended take their waiting with them, so it is at least 0."""
    return None if now is None or before is None else max(0.0, now - before)


def _stolen_and_all() -> tuple[float, float] | None:
    times = psutil.cpu_times()
    steal = getattr(times, "steal", None)
    # Guest times are already part of user times.
    counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return None if steal is None else (float(steal), float(counted))


def contention_flags(contention: Contention, threads: int, cpus: int) -> tuple[Flag, ...]:
    """Warnings for work of ``threads`` threads on ``cpus`` usable cores."""
    flags = []
    used = min(threads, cpus)
    rate = contention.switch_rate or 0.0
    waited = waited_share(contention, used)
    if threads > cpus:
        words = f"more threads ({threads}) than usable cores ({cpus}): they take the CPU from each other"
        flags.append(Flag(FlagCode.TOO_MANY_THREADS, words))
    elif rate / used > SWITCHES_PER_SECOND or waited > WAITED_SHARE:
        own = contention.other_cores is not None and contention.other_cores < OTHER_CORES
        words = f"{'threads of this process' if own else 'other work'} took the CPU away {rate:.0f} times a second"
        words += f"; threads waited for a CPU {100 * waited:.0f}% of the time" if contention.delay is not None else ""
        flags.append(Flag(FlagCode.OWN_THREADS if own else FlagCode.CONTENTION, words))
    if contention.stolen is not None and contention.stolen > STOLEN_SHARE:
        words = f"the host gave {100 * contention.stolen:.0f}% of the CPU time to other machines"
        flags.append(Flag(FlagCode.STOLEN_TIME, words))
    return tuple(flags)


def waited_share(contention: Contention, threads: int) -> float:
    """The share of the time that a thread, on average, was ready to run but waited for a CPU; 0 if that is unknown."""
    return (contention.delay or 0.0) / contention.seconds / threads


def disturbance(contention: Contention, threads: int) -> float:
    """How much other work disturbed work of ``threads`` threads, in units of the limits above which it is flagged."""
    switches = (contention.switch_rate or 0.0) / threads / SWITCHES_PER_SECOND
    stolen = (contention.stolen or 0.0) / STOLEN_SHARE
    return switches + stolen + waited_share(contention, threads) / WAITED_SHARE
