"""Rooflines: how many operations work does for each byte, and how near it comes to its machine's ceilings.

S. Williams, A. Waterman, D. Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures",
Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench_core.analysis.causes import Cause, Key, fastest
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
    devices: dict[tuple[str, str], list[Cause]] = {}
    for (hardware, device, _), cause in fastest(cause for cause in causes.values() if cause.intensity).items():
        devices.setdefault((hardware, device), []).append(cause)
    return tuple(
        Roofline(hardware, device, own[0].ceilings, tuple(sorted(own, key=_intensity)))
        for (hardware, device), own in devices.items()
    )


def _intensity(cause: Cause) -> float:
    return cause.intensity or 0.0
