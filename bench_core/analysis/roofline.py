"""Rooflines: how many operations work does for each byte, and how near it comes to its machine's ceilings.

S. Williams, A. Waterman, D. Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures",
Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench_core.analysis.causes import Cause, Key
from bench_core.analysis.speedup import time_rank
from bench_core.core.ceilings import Ceilings


@dataclass(frozen=True)
class Roofline:
    """A device of a machine with its ceilings, and below them the best plain case of each workload."""

    hardware: str
    device: str
    ceilings: Ceilings
    causes: tuple[Cause, ...]


def rooflines(causes: Mapping[Key, Cause]) -> tuple[Roofline, ...]:
    """One for each machine and device: the cases in plain fp32 on all cores with the highest throughput, of which both
    operations and traffic are known, those with the fewest operations for each byte first."""
    best: dict[tuple[str, str], dict[str, Cause]] = {}
    for (hardware, case), cause in causes.items():
        if case.plain and case.threads is None and cause.intensity:
            own = best.setdefault((hardware, case.device), {})
            if case.workload not in own or time_rank(cause.result) < time_rank(own[case.workload].result):
                own[case.workload] = cause
    return tuple(
        Roofline(hardware, device, next(iter(own.values())).ceilings, tuple(sorted(own.values(), key=_intensity)))
        for (hardware, device), own in best.items()
    )


def _intensity(cause: Cause) -> float:
    return cause.intensity or 0.0
