"""A plugin of pytest for one side of a gate: chosen cases do more work in each call, so that they take longer.

``SLOWED`` in the environment has the names of the cases, and ``SLOWED_BY`` how much longer they take, such as 0.05. The
further work is matrix products of 24 by 24, as many as fill this share of the call's time.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bench_core.core.case import Case
from bench_core.core.step import Step
from bench_core.execution.pairing.serving import TurnsBenchmark, Worker
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.sampling import calibrate

CASES = os.environ["SLOWED"].split(",")
SHARE = float(os.environ["SLOWED_BY"])
LOOKS = 15


def pytest_configure(config: pytest.Config) -> None:
    """Slow the chosen cases of this worker."""
    case_of, serve = TurnsBenchmark.case, Worker.serve
    slowed = False

    def case(self: TurnsBenchmark, asked: Case) -> None:
        nonlocal slowed
        slowed = asked.id in CASES
        case_of(self, asked)

    def slower(self: Worker, step: Step) -> None:
        serve(self, replace(step, fn=with_more_work(step)) if slowed else step)

    patch = pytest.MonkeyPatch()
    patch.setattr(TurnsBenchmark, "case", case)
    patch.setattr(Worker, "serve", slower)
    config.add_cleanup(patch.undo)


def with_more_work(step: Step) -> Callable[[], Any]:
    """The step and, after it, as many matrix products as take this share of its time."""
    factors = torch.rand(2, 24, 24)

    def product() -> None:
        torch.mm(factors[0], factors[1])

    count = round(SHARE * in_turn(SynchronizedClock(resolve(step.devices)), step.fn, product))

    def both() -> Any:
        output = step.fn()
        for _ in range(count):
            product()
        return output

    return both


def in_turn(clock: SynchronizedClock, one: Callable[[], Any], other: Callable[[], Any]) -> float:
    """How many times as long as the other a call takes: the median of blocks in turn."""
    calls = [calibrate(clock, fn, clock.overhead()).calls for fn in (one, other)]

    def seconds(which: int) -> float:
        return clock.block((one, other)[which], calls[which]).wall / calls[which]

    return statistics.median(seconds(0) / seconds(1) for _ in range(LOOKS))
