"""Which figures a verdict may rest on, by the flags of a record."""

from __future__ import annotations

from collections.abc import Mapping

from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.records import CONTENDED, Record
from bench_core.core.results import Flag, FlagCode

HARMLESS = frozenset(
    {
        FlagCode.OWN_THREADS,
        FlagCode.TOO_MANY_THREADS,
        FlagCode.EMULATED_DTYPE,
        FlagCode.PARITY_INCONCLUSIVE,
        FlagCode.STAGES_DO_NOT_ADD_UP,
        FlagCode.TWO_MODES,
    }
)
"""Flags that describe a case but leave its time valid: its own threads, too many threads and emulation are part of what
is timed; parity is about results; stages are timed separately; two modes are how times are spread. Any other flag casts
doubt on the time, also one of a newer bench-core."""

_WORDS: Mapping[str, str] = {
    **dict.fromkeys(CONTENDED, BESIDE_OTHER_WORK),
    FlagCode.NOT_STEADY: "not steady at the end of warm-up",
    FlagCode.CROSS_CHECK: "timed where twice the calls did not take twice the time",
}


def disturbances(record: Record) -> tuple[str, ...]:
    """Whether a record was measured beside other work, in words; empty if it was not."""
    return (BESIDE_OTHER_WORK,) if record.contended else ()


def doubts(record: Record) -> tuple[str, ...]:
    """Why the time of a record cannot be trusted, in words, each once; empty if no flag casts doubt on it."""
    return tuple(dict.fromkeys(map(_words, filter(_is_doubt, record.flags))))


def _is_doubt(flag: Flag) -> bool:
    return flag.code not in HARMLESS


def _words(flag: Flag) -> str:
    return _WORDS.get(flag.code) or f"flagged: {flag.text}"
