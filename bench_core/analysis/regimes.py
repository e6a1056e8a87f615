"""What a case is bound by: the part of its work that takes longest even at the machine's best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bench_core.core.ceilings import Ceilings

CLOSE = 0.8
"""Two parts of which the smaller is more than this share of the larger cannot be told apart: the limits are measured
with other work than the case's."""


class Regime(StrEnum):
    """What decides the time of a case."""

    HOST = "host-bound"
    LAUNCH = "launch-bound"
    LOADER = "loader-bound"
    TRANSFER = "transfer-bound"
    BANDWIDTH = "bandwidth-bound"
    COMPUTE = "compute-bound"
    MIXED = "mixed"


@dataclass(frozen=True)
class Figures:
    """What is known of a call: all in seconds, bytes, FLOPs or counts per call; ``None`` where it is not known.

    ``issue`` is the time in which the host issues a call to an idle device that works by itself. ``moved`` are bytes
    copied from device to device. ``loader``, ``transfer`` and ``others`` are the times of a pipeline's stages: those
    that prepare inputs, those that copy from device to device, and all others. ``training`` says whether it computes
    gradients.
    """

    seconds: float
    operators: int | None = None
    bytes: int | None = None
    footprint: int | None = None
    moved: int | None = None
    flops: int | None = None
    dtype: str = "fp32"
    training: bool = False
    issue: float | None = None
    loader: float | None = None
    transfer: float | None = None
    others: float | None = None


@dataclass(frozen=True)
class Bound:
    """The regime of a case, and the seconds that each part of its work takes at least, from which it was decided."""

    regime: Regime
    parts: Mapping[Regime, float]
    seconds: float


def bound(figures: Figures, ceilings: Ceilings) -> Bound | None:
    """What a case is bound by; ``None`` if nothing is known of its parts.

    The parts overlap, or one hides behind the other, so the longest decides, however far it is from the whole time; it
    is ``mixed`` if the second is more than ``CLOSE`` of it.
    """
    parts = {regime: seconds for regime, seconds in _parts(figures, ceilings).items() if seconds}
    if not parts:
        return None
    first, *others = sorted(parts, key=lambda regime: parts[regime], reverse=True)
    mixed = bool(others) and parts[others[0]] > CLOSE * parts[first]
    return Bound(Regime.MIXED if mixed else first, parts, figures.seconds)


def _parts(figures: Figures, ceilings: Ceilings) -> dict[Regime, float | None]:
    """The least time of each part of the work. In a pipeline, the operators of stages that load or move are counted
    too, so what is computed cannot take longer than the other stages."""
    count, peak, speed = figures.operators, ceilings.peak(figures.dtype), None
    each = ceilings.training_operator if figures.training else ceilings.operator
    if figures.footprint is not None:
        speed = ceilings.bandwidth(figures.footprint)
    moving = figures.moved and ceilings.link and figures.moved / ceilings.link
    computing = {
        Regime.HOST: figures.issue if figures.issue is not None else count and count * each,
        Regime.LAUNCH: count and ceilings.launch and count * ceilings.launch,
        Regime.BANDWIDTH: figures.bytes and speed and figures.bytes / speed,
        Regime.COMPUTE: figures.flops and peak and figures.flops / peak,
    }
    if figures.others is not None:
        computing = {part: seconds and min(seconds, figures.others) for part, seconds in computing.items()}
    staged = {Regime.LOADER: figures.loader, Regime.TRANSFER: moving if figures.transfer is None else figures.transfer}
    return {**staged, **computing}
