"""The warnings about a case, from all that was measured of it."""

from __future__ import annotations

from dataclasses import replace

import torch

from bench_core.core import stats, text
from bench_core.core.case import Case
from bench_core.core.results import Contention, Flag, FlagCode, Measurement, Parity, Stages
from bench_core.hardware import precision, waiting
from bench_core.hardware.contention import contention_flags
from bench_core.hardware.machine import usable_cpus

STAGES_TOLERANCE = 0.05
"""A case is flagged if its stages' sum differs by more than this share from the time of a whole call."""
INTERRUPTIONS = 0.5
"""A case is flagged if other work took the CPU from it this many times per timed block, or more often."""


def flags_of(
    case: Case, m: Measurement, contention: Contention, stages: Stages | None, parity: Parity | None
) -> tuple[Flag, ...]:
    """All warnings about a case."""
    disturbed = contention_flags(contention, torch.get_num_threads(), usable_cpus())
    by_others = any(flag.code == FlagCode.CONTENTION for flag in disturbed)
    return (
        *m.flags,
        *map(_with_advice, disturbed),
        *(_interruption_flags(contention, m) if by_others else ()),
        *_mode_flags(m),
        *_dtype_flags(case),
        *(_stage_flags(stages) if stages else ()),
        *(_parity_flags(case, parity) if parity else ()),
    )


def _with_advice(flag: Flag) -> Flag:
    """A flag of contention, with what limits the harm if nothing has been done about it."""
    if flag.code != FlagCode.CONTENTION or torch.get_num_threads() == 1 or waiting.policy() != waiting.DEFAULT:
        return flag
    passive = " ".join(f"{name}={value}" for name, value in waiting.PASSIVE.items())
    return replace(flag, text=f"{flag.text}; {passive}, set before torch is loaded, limits the harm")


def _interruption_flags(contention: Contention, m: Measurement) -> tuple[Flag, ...]:
    """Work that is interrupted in every timed block has an interval as narrow as the interruptions are alike."""
    per_block = (contention.switch_rate or 0.0) * m.median * m.inner_calls
    if per_block < INTERRUPTIONS:
        return ()
    words = f"each timed block lost the CPU about {per_block:.0f} times; the interval shows how alike they are"
    return (Flag(FlagCode.INTERRUPTED, words),)


def _mode_flags(m: Measurement) -> tuple[Flag, ...]:
    modes = stats.two_modes(m.samples)
    if modes is None:
        return ()
    both = " and ".join(map(text.seconds, modes))
    return (Flag(FlagCode.TWO_MODES, f"the samples fall into two groups, around {both}"),)


def _dtype_flags(case: Case) -> tuple[Flag, ...]:
    if case.dtype == "bf16" and case.device_type == "cpu" and not precision.native_bf16():
        return (Flag(FlagCode.EMULATED_DTYPE, "this CPU has no bf16 instructions: bf16 is emulated"),)
    return ()


def _stage_flags(stages: Stages) -> tuple[Flag, ...]:
    if abs(stages.share - 1.0) <= STAGES_TOLERANCE:
        return ()
    why = "they overlap in a whole call, or other work disturbed" if stages.share > 1.0 else "other work disturbed"
    words = f"stages: synchronized one by one they take {100 * stages.share:.0f}% of a whole call ({why})"
    return (Flag(FlagCode.STAGES_DO_NOT_ADD_UP, words),)


def _parity_flags(case: Case, parity: Parity) -> tuple[Flag, ...]:
    return tuple(
        Flag(FlagCode.PARITY_INCONCLUSIVE, f"parity: {name} not judged: {case.dtype} rounding error dominates")
        for name in parity.inconclusive
    )
