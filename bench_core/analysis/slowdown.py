"""The limit of ``compare --fail-above``: which cases are slower by more than that."""

from __future__ import annotations

import re

from bench_core.analysis.comparison import Comparison
from bench_core.core.errors import OptionError

_PERCENTAGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)%")


def parse_limit(option: str) -> float:
    """A percentage with its sign, such as ``10%`` or ``2.5%``, as a share: 0.1. Raises ``OptionError`` for all else,
    since a bare number may mean either."""
    match = _PERCENTAGE.fullmatch(option)
    if match is None:
        raise OptionError(f"--fail-above {option!r}: is not a percentage; write one with its sign, such as 10% or 2.5%")
    return float(match[1]) / 100.0


def is_too_slow(row: Comparison, limit: float) -> bool:
    """Whether head takes more than ``limit`` longer than base, by the entire interval.

    Both figures must be trusted, and all of the interval must be beyond the limit: head / base above 1 + ``limit``, so
    the ratio base / head below 1 / (1 + ``limit``). The verdict plays no part, so a limit may be below its tolerance.
    """
    return not row.reasons and row.interval is not None and row.interval[1] < 1.0 / (1.0 + limit)
