"""Parity first: a step that does not agree with float64 fails and is not timed. One check per case."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench_core.core.case import NO_SOURCES, Case, Sources
from bench_core.core.errors import ParityError
from bench_core.core.results import Parity
from bench_core.core.step import Step
from bench_core.execution.parity.capture import OUTPUTS, FirstCall, Values
from bench_core.execution.parity.judge import check_alike, judge
from bench_core.execution.parity.reference import Reference, reference
from bench_core.hardware import precision
from bench_core.hardware.ranks import ALONE, Ranks
from bench_core.timing.clock import SynchronizedClock
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.definition import Workload

MAX_FLOPS = 1.3e11
"""A case with more FLOPs per call is checked at a smaller batch: in float64 it would take minutes."""
AGREES, JUMPED, WRONG = 0.0, 1.0, 2.0
"""What a rank tells the others of its results."""


@dataclass(frozen=True)
class CheckedCall:
    """A first call that agrees with float64: its seconds, and its errors. If they are larger than usual (``jumped``),
    the case must be confirmed."""

    seconds: float
    parity: Parity
    jumped: bool


def affordable_batch(workload: Workload, case: Case, step: Step) -> int:
    """The batch size at which to check a case: its own, or, if that costs too much, the largest of its sweep that does
    not (at least a row for each rank)."""
    if not step.flops or step.flops <= MAX_FLOPS:
        return case.batch_size
    most = case.batch_size * MAX_FLOPS / step.flops
    ranks = case.ranks or 1
    swept = (batch for batch in workload.batch_sizes("cpu", "full") if batch % ranks == 0)
    return max((batch for batch in swept if batch <= most), default=ranks)


def check_first_call(
    workload: Workload, case: Case, step: Step, clock: SynchronizedClock, sources: Sources = NO_SOURCES
) -> CheckedCall:
    """Time the very first call of a step and check its results. The same step is measured afterward.

    Raises ``ParityError`` if the results are wrong, and ``CaseSkipped`` if none of them can be judged.
    """
    started = time.perf_counter()
    with precision.preserved():
        exact = reference(workload, case, sources)
    check_alike(case, step, exact)
    first = FirstCall(step)
    prepared = time.perf_counter() - started
    seconds, output = clock.first_call(step.fn)
    started = time.perf_counter()
    parity, jumped = _judged(case, exact, first, output, clock.ranks)
    return CheckedCall(seconds, replace(parity, seconds=prepared + time.perf_counter() - started), jumped)


def _judged(case: Case, exact: Reference, first: FirstCall, output: Any, ranks: Ranks) -> tuple[Parity, bool]:
    """The errors, and whether only a rare jump of a gradient explains them, on any rank.

    Raises ``ParityError`` on all ranks if one is wrong.
    """
    replayed = _of_whole_batch(first.replayed(), ranks) if exact.replayed else {}
    values, exact = _of_whole_batch(first.values(output), ranks), exact.after(replayed)
    try:
        parity, state = judge(case, values, exact), AGREES
    except ParityError as error:
        try:
            parity, state = judge(case, values, exact, rare=True), JUMPED
        except ParityError:
            ranks.gather(WRONG)
            raise error from None
    states = ranks.gather(state)
    if WRONG in states:
        raise ParityError(f"{case.id}: rank {states.index(WRONG)} does not agree with float64")
    return parity, JUMPED in states


def _of_whole_batch(values: Values, ranks: Ranks) -> Values:
    """The results of all ranks as those of one process on the whole batch.

    Outputs are the mean over the ranks that have any, which are those of equal shares. Gradients and updates are of the
    whole batch already; those of a module that another rank trains are that rank's.
    """
    if not ranks.launched:
        return values
    of_all = ranks.gather_all(dict(values))
    outputs = [of_rank[OUTPUTS] for of_rank in of_all if OUTPUTS in of_rank]
    joined = {quantity: value for of_rank in of_all for quantity, value in of_rank.items()} | dict(values)
    return {**joined, OUTPUTS: np.mean(outputs, axis=0)} if outputs else joined


def check_at_batch(
    workload: Workload, case: Case, batch: int, step: Step, sources: Sources = NO_SOURCES, ranks: Ranks = ALONE
) -> Parity:
    """Check a case that would take minutes in float64 at a smaller batch, with a separately built step.

    Call it after the case has been measured: an earlier check would warm up what must be cold for the cold start.
    Raises ``ParityError`` if the results are wrong, and ``CaseSkipped`` if none of them can be judged.
    """
    smaller = replace(case, batch_size=batch, caches="hot")
    parity, jumped = _checked_anew(workload, smaller, step, sources, ranks)
    if jumped:
        confirm(workload, smaller, step, sources, ranks)
    return parity


def confirm(workload: Workload, case: Case, step: Step, sources: Sources = NO_SOURCES, ranks: Ranks = ALONE) -> None:
    """Check a case of which a gradient jumped at another seed, with a separately built step: a fault shows there too.

    Call it after the case has been measured: building discards what was compiled. Raises ``ParityError`` if the
    gradients are too far off there as well.
    """
    parity, jumped = _checked_anew(workload, replace(case, seed=case.seed + 1), step, sources, ranks)
    if jumped:
        raise ParityError(
            f"{case.id}: {parity.quantity}: relative error {parity.error:.2g}; at two seeds it is larger than the "
            f"{case.dtype} tolerance"
        )


def _checked_anew(workload: Workload, case: Case, step: Step, sources: Sources, ranks: Ranks) -> tuple[Parity, bool]:
    started = time.perf_counter()
    with precision.preserved():
        exact = reference(workload, case, sources)
        check_alike(case, step, exact)
        own = build(workload, case, sources=sources, ranks=ranks)
        first = FirstCall(own)
        parity, jumped = _judged(case, exact, first, own(), ranks)
    return replace(parity, seconds=time.perf_counter() - started), jumped
