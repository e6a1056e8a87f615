"""Percentages that people write."""

from __future__ import annotations

import re

from bench_core.core.errors import OptionError

_PERCENTAGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?%")


def parse_percentage(words: object, where: str) -> float:
    """A percentage with its sign, such as ``10%`` or ``2.5%``, as a share: 0.1.

    Raises ``OptionError``, which names ``where`` it was written, for all else: a bare number may mean either.
    """
    match = _PERCENTAGE.fullmatch(words) if isinstance(words, str) else None
    if match is None:
        raise OptionError(f"{where} {words!r}: is not a percentage; write one with its sign, such as 10% or 2.5%")
    return float(match[1]) / 100.0
