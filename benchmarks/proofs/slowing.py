"""A plugin of pytest for one side of a gate: chosen cases do more work in each call, so that they take longer.

The further work is to add up whole numbers. ``--slowed`` has the names of the cases, and ``--slowed-work`` a file that
says how many numbers make each case slower by the share ``--slowed-by``. Without ``--slowed``, nothing is slower, and
the file is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench_core.core.case import Case
from bench_core.core.step import Step
from bench_core.execution.pairing.serving import TurnsBenchmark, Worker
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.warmup import calibrate

LOOKS, MANY = 100, 100_000
"""Blocks from which a time is taken; the numbers that are added up to know how long one takes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this plugin."""
    parser.addoption("--slowed", default="")
    parser.addoption("--slowed-by", type=float, default=0.0)
    parser.addoption("--slowed-work", type=Path)


def pytest_configure(config: pytest.Config) -> None:
    """Slow the chosen cases of this worker, or measure all of them."""
    chosen, by, file = (config.getoption(name) for name in ("slowed", "slowed_by", "slowed_work"))
    case_of, serve = TurnsBenchmark.case, Worker.serve
    current = ""

    def case(self: TurnsBenchmark, asked: Case) -> None:
        nonlocal current
        current = asked.id
        case_of(self, asked)

    def changed(self: Worker, step: Step) -> None:
        work = json.loads(file.read_text()) if file.exists() else {}
        if not chosen:
            file.write_text(json.dumps(work | {current: numbers_for(step, by)}))
        elif current in chosen.split(","):
            step = replace(step, fn=with_more_work(step.fn, work[current]))
        serve(self, step)

    patch = pytest.MonkeyPatch()
    patch.setattr(TurnsBenchmark, "case", case)
    patch.setattr(Worker, "serve", changed)
    config.add_cleanup(patch.undo)


def with_more_work(fn: Callable[[], Any], numbers: int) -> Callable[[], Any]:
    """The call and, after it, a sum of so many numbers."""

    def both() -> Any:
        output = fn()
        sum(range(numbers))
        return output

    return both


def numbers_for(step: Step, share: float) -> int:
    """How many numbers are added up in this share of a call's time. Times are the lower tenth, as those of a gate."""
    clock = SynchronizedClock(resolve(step.devices))
    call = lower_tenth(clock, step.fn)
    nothing, added = (lower_tenth(clock, with_more_work(lambda: None, numbers)) for numbers in (0, MANY))
    return max(0, round((share * call - nothing) / (added - nothing) * MANY))


def lower_tenth(clock: SynchronizedClock, fn: Callable[[], Any]) -> float:
    """Seconds per call: a tenth of the blocks are faster."""
    calls = calibrate(clock, fn, clock.overhead()).calls
    return float(np.quantile([clock.block(fn, calls).wall / calls for _ in range(LOOKS)], 0.1))
