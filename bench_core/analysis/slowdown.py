"""The limit of ``compare --fail-above``: which cases are slower by more than that."""

from __future__ import annotations

from bench_core.analysis.comparison import Comparison


def is_too_slow(row: Comparison, limit: float) -> bool:
    """Whether head takes more than ``limit`` longer than base, by the entire interval.

    Both figures must be trusted, and all of the interval must be beyond the limit: head / base above 1 + ``limit``, so
    the ratio base / head below 1 / (1 + ``limit``). The verdict plays no part, so a limit may be below its tolerance.
    """
    return not row.reasons and row.interval is not None and row.interval[1] < 1.0 / (1.0 + limit)
