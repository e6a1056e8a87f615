"""What a case met beside its time: other work on the CPUs, what compiling it cost, how exact it is."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass

import psutil

SWITCHES_PER_SECOND = 50.0
"""Involuntary context switches per second and usable CPU above which somebody else wants the CPU too."""
STOLEN_SHARE = 0.01


@dataclass(frozen=True)
class Contention:
    """Other work on the CPUs while a case was measured.

    ``involuntary_switches`` are the times the kernel took a CPU away from this process in ``seconds``; ``stolen`` is
    the share of all CPU time that the hypervisor gave to other machines (``None`` where the kernel does not tell);
    ``load_before`` is the one-minute load average at the start.
    """

    seconds: float
    involuntary_switches: int
    stolen: float | None
    load_before: float

    def warnings(self, threads: int, cpus: int) -> tuple[str, ...]:
        """What to be wary of, in words, for work of ``threads`` threads on ``cpus`` usable cores."""
        found = []
        rate = self.involuntary_switches / self.seconds
        if threads > cpus:
            found.append(f"more threads ({threads}) than usable cores ({cpus}): they take the CPU from each other")
        elif rate / cpus > SWITCHES_PER_SECOND:
            found.append(f"contention: other work took the CPU away {rate:.0f} times a second")
        if self.stolen is not None and self.stolen > STOLEN_SHARE:
            found.append(f"contention: the host gave {100 * self.stolen:.0f}% of the CPU time to other machines")
        return tuple(found)


@dataclass(frozen=True)
class Compilation:
    """What compiling a case cost and left: seconds spent in the compiler, and breaks of the graph it had to make.

    ``seconds`` is ``None`` where this torch does not tell.
    """

    seconds: float | None
    graph_breaks: int


@dataclass(frozen=True)
class Parity:
    """How far the first call of a case was from a float64 reference, relative to the reference's norm.

    ``error`` and ``tolerance`` are those of the ``quantity`` that came nearest to its tolerance, ``errors`` those of
    all: outputs, gradients, the first update of the weights. ``untold`` are those that were not judged, since rounding
    to the dtype alone moves them as far as a fault would. ``batch_size`` is the one they were held against at;
    ``seconds`` is what the check took.
    """

    quantity: str
    error: float
    tolerance: float
    errors: dict[str, float]
    untold: tuple[str, ...]
    batch_size: int
    seconds: float


class ContentionWatch:
    """Reads the kernel's counters when made and again by ``read``."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._start = time.perf_counter()
        self._switches = _involuntary_switches()
        self._cpu_times = _stolen_and_all()

    def read(self) -> Contention:
        """What happened since this watch was made."""
        stolen = None
        now = _stolen_and_all()
        if now and self._cpu_times and now[1] > self._cpu_times[1]:
            stolen = (now[0] - self._cpu_times[0]) / (now[1] - self._cpu_times[1])
        return Contention(
            seconds=time.perf_counter() - self._start,
            involuntary_switches=_involuntary_switches() - self._switches,
            stolen=stolen,
            load_before=self._load,
        )


def _involuntary_switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _stolen_and_all() -> tuple[float, float] | None:
    times = psutil.cpu_times()
    steal = getattr(times, "steal", None)
    # guest times are already part of user times
    counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return None if steal is None else (float(steal), float(counted))
