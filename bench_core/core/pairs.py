"""What a pair of processes measured of one case."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Figures:
    """One side's figures: the seconds per call of each block, two in each turn, and the peak memory of the case in
    bytes (``None`` where it is not counted)."""

    times: tuple[float, ...]
    memory: int | None = None


@dataclass(frozen=True)
class Pair:
    """The figures of both sides, measured in as many turns by two fresh processes."""

    base: Figures
    head: Figures


class Ending(StrEnum):
    """How the test of a case that has no further figures ended."""

    MISSING = "missing"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Trouble:
    """Why a case has no further figures: the side, how its test ended, and the reason."""

    side: str
    outcome: Ending
    reason: str
