"""Machines that did other work while they measured: how a reader learns of it. See ``Record.contended``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench_core.core.records import Record
from bench_core.core.results import FlagCode

BESIDE_OTHER_WORK = "measured beside other work"
BUSY_SHARE = 0.5
"""A machine was busy throughout a run if more than this share of its cases are contended."""


def busy_line(records: Sequence[Record]) -> str | None:
    """One line about a machine that was busy throughout: if more than half of the records are contended."""
    contended = [record for record in records if record.contended]
    if len(contended) <= BUSY_SHARE * len(records):
        return None
    return (
        f"busy machine: {contended_count(records)}, so no verdict rests on them; at worst, {at_worst(contended)}. "
        "Measure again while nothing else runs."
    )


def contended_count(records: Sequence[Record]) -> str:
    """How many of the records are contended, such as ``9 of 11 cases were measured beside other work``."""
    contended = sum(record.contended for record in records)
    cases, were = ("case", "was") if len(records) == 1 else ("cases", "was" if contended == 1 else "were")
    return f"{contended} of {len(records)} {cases} {were} {BESIDE_OTHER_WORK}"


def at_worst(contended: Iterable[Record]) -> str:
    """What other work took in the most disturbed of these contended records, in words, with the case."""
    stolen, switched = [], []
    for record in contended:
        codes = {flag.code for flag in record.flags}
        if FlagCode.STOLEN_TIME in codes:
            stolen.append((record.contention.stolen or 0.0, record.case.id))
        if codes & {FlagCode.CONTENTION, FlagCode.INTERRUPTED}:
            switched.append((record.contention.switches_per_second, record.case.id))
    words = []
    if switched:
        rate, case = max(switched)
        words.append(f"other work took the CPU away {rate:.0f} times a second ({case})")
    if stolen:
        share, case = max(stolen)
        words.append(f"the host gave {100 * share:.0f}% of the CPU time to other machines ({case})")
    return " and ".join(words)
