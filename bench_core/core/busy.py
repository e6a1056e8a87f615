"""What a reader learns of other work on the machine: see ``Record.contended``."""

from __future__ import annotations

from collections.abc import Sequence

from bench_core.core.records import CONTENDED, Record
from bench_core.core.text import counted

BESIDE_OTHER_WORK = "measured beside other work"
BUSY_SHARE = 0.5
"""A machine was busy throughout a run if more than this share of its cases are contended."""


def busy_line(records: Sequence[Record]) -> str | None:
    """One line about a machine that was busy throughout: if more than half of the records are contended."""
    if sum(record.contended for record in records) <= BUSY_SHARE * len(records):
        return None
    return f"busy machine: {contended_line(records)}. Measure again while nothing else runs."


def contended_line(records: Sequence[Record]) -> str:
    """How many of the records are contended, what follows from it, and the most disturbed of them."""
    one = sum(record.contended for record in records) == 1
    return f"{contended_count(records)}, so no verdict rests on {'it' if one else 'them'}; {the_worst(records)}"


def contended_count(records: Sequence[Record]) -> str:
    """How many of the records are contended, such as ``9 of 11 cases were measured beside other work``."""
    contended = sum(record.contended for record in records)
    of_all = counted(len(records), "case", "cases")
    return f"{contended} of {of_all} {'was' if contended == 1 else 'were'} {BESIDE_OTHER_WORK}"


def the_worst(records: Sequence[Record]) -> str:
    """The most disturbed of the records, of which one or more are contended, and what its first flag says of it."""
    contended = [record for record in records if record.contended]
    worst = max(contended, key=_share_lost)
    first = next(flag for flag in worst.flags if flag.code in CONTENDED)
    return f"{'it' if len(contended) == 1 else 'the worst'} is {worst.case.id} ({first.text})"


def contention_words(record: Record) -> str:
    """What the flags of a contended record say about the other work."""
    return "; ".join(flag.text for flag in record.flags if flag.code in CONTENDED)


def _share_lost(record: Record) -> tuple[float, float]:
    """The share of its CPU time that a record lost to other work, as far as it is known, then how often it lost it."""
    c = record.contention
    if not c.seconds > 0.0:
        return 0.0, 0.0
    return (c.stolen or 0.0) + (c.delay or 0.0) / c.seconds / max(1, record.threads), c.switch_rate or 0.0
