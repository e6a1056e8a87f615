"""One more call of a step after it was measured, which is not timed: what it does, and the memory that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench_core.core.case import SHARDED, Case
from bench_core.core.counts import CallCounts
from bench_core.core.modes import Casting, Casts
from bench_core.core.records import Record
from bench_core.core.step import Step
from bench_core.execution.counting import count
from bench_core.hardware import memory

HIDDEN = ("compile", "cuda_graph", SHARDED)
"""Variants whose calls do not show their single operators; those on sharded weights are seen as if on whole ones."""
NOT_WATCHED = "the operators of user code are not watched"


@dataclass(frozen=True)
class ExtraCall:
    """What the call has shown; ``None`` where it could not be seen. ``peak_host_memory`` is in bytes; ``uncounted`` is
    the reason why there are no ``counts``."""

    peak_host_memory: int | None
    counts: CallCounts | None = None
    casts: Casts | None = None
    uncounted: str = ""

    @classmethod
    def of(cls, record: Record) -> ExtraCall:
        """What an earlier measurement of the same case has shown."""
        return cls(record.peak_host_memory, record.counts, record.casts, record.unavailable.get("counts", ""))


def extra_call(step: Step, before: int) -> ExtraCall:
    """Call a step of any kind once more; only its memory is looked at, since what cannot be watched may be in it.

    ``before`` is the memory in bytes that this process had before the step was built.
    """
    watched = _reset()
    step()
    return ExtraCall(_peak(watched, before), uncounted=NOT_WATCHED)


def counted_call(step: Step, case: Case, casting: Casting | None, before: int) -> ExtraCall:
    """Call the step of a workload's case once more and count what it does; ``casting`` is how it computes in 16 bits,
    ``None`` for other dtypes."""
    if any(part in HIDDEN for part in case.variant_parts):
        hidden = f"calls of {', '.join(HIDDEN)} do not show single operators"
        return replace(extra_call(step, before), casts=None if casting is None else Casts(casting), uncounted=hidden)
    watched = _reset()
    counted = count(step, [weight for module in step.modules.values() for weight in module.parameters()])
    casts = None if casting is None else Casts(casting, counted.cast_weights, counted.cast_others)
    return ExtraCall(_peak(watched, before), counted.counts, casts)


def _reset() -> bool:
    memory.trim()
    return memory.reset_peak()


def _peak(watched: bool, before: int) -> int | None:
    peak = memory.peak() if watched else None
    return None if peak is None else max(0, peak - before)
