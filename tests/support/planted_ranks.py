"""Work over ranks of which one dies, hangs or fails in the middle of a step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from bench_core.workloads.kit import BuildContext, Step, workload
from tests.support.planted import FACTS, LIFELINE

CALLS = 5
"""The call in which the second rank comes to its end: one of the warm-up."""


def until(ctx: BuildContext, end: Callable[[], object]) -> Step:
    """Sums over all ranks, which the second one leaves in the middle of a call. All keep the lifeline open."""
    lifeline = Path(os.environ[LIFELINE]).open("wb", buffering=0)  # noqa: SIM115 - open as long as the process
    buffer, calls = torch.zeros(8), 0

    def call() -> Tensor:
        nonlocal calls
        calls += 1
        if calls == CALLS and ctx.ranks.rank == 1:
            lifeline.write(b"leaving\n")
            end()
        dist.all_reduce(buffer)
        return buffer

    return ctx.step(call, units=1, flops=None, data="none")


OVER_RANKS = {**FACTS, "over_ranks": True}


@workload(**OVER_RANKS)
def one_is_killed(ctx: BuildContext) -> Step:
    """One rank is killed."""
    return until(ctx, lambda: os.kill(os.getpid(), signal.SIGKILL))


@workload(**OVER_RANKS)
def one_stops(ctx: BuildContext) -> Step:
    """One rank is stopped."""
    return until(ctx, lambda: os.kill(os.getpid(), signal.SIGSTOP))


@workload(**OVER_RANKS)
def one_raises(ctx: BuildContext) -> Step:
    """One rank raises an error of Python."""

    def fail() -> None:
        raise ZeroDivisionError("division by zero")

    return until(ctx, fail)
