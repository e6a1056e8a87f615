"""The worker's side: a step that the parent times in turns, in place of ``device_benchmark``."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_benchmark.fixture import PauseInstrumentation

from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped, OptionError
from bench_core.core.modes import Casting
from bench_core.core.step import Step
from bench_core.execution.isolation import breaks_accelerator
from bench_core.execution.outputs import check_outputs
from bench_core.execution.pairing.protocol import Channel, Link, Message
from bench_core.execution.pairing.stray import Watch
from bench_core.execution.parity.gate import affordable_batch, check_first_call
from bench_core.execution.parity.judge import check_build
from bench_core.execution.runner import threads
from bench_core.execution.session import BenchSession
from bench_core.execution.skips import machine_limits_are_skips
from bench_core.hardware import allocator, memory
from bench_core.hardware.affinity import move_to
from bench_core.hardware.device import resolve
from bench_core.hardware.machine import fingerprint
from bench_core.timing.clock import SynchronizedClock
from bench_core.timing.warmup import calibrate
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.compiling import check_compiled

BROKEN = 70
"""The exit code after an error that made the accelerator unusable."""
MEMORY_SHARE = 0.45
"""The share of an accelerator's memory that a worker may hold: the other one holds as much."""


class Worker:
    """Answers the parent. ``check`` says whether the case at hand is to be checked against float64."""

    def __init__(self, link: Link) -> None:
        self.channel = Channel(link.reads, link.writes)
        self.watch = Watch(*(Path(path) if path else None for path in (link.avoid, link.repository)))
        self.check = False
        self.memory: int | None = None
        self._before = 0

    def begin(self, check: bool, cpu: int) -> None:
        """Prepare for a case that is not built yet, on this CPU."""
        move_to(cpu)
        allocator.settle()
        memory.trim()
        self.check, self.memory, self._before = check, None, memory.resident()

    @staticmethod
    def machine() -> str:
        """The machine and its software, for people."""
        here = fingerprint()
        return f"{here.label}; {here.software}"

    @staticmethod
    def is_stored(case: Case, session: BenchSession) -> bool:
        """Whether a case has its numbers stored in 16 bits."""
        return session.selection.workload_of(case).casting_of(case) is Casting.STORED

    def serve(self, step: Step) -> None:
        """Time blocks of calls for the parent until it closes the step.

        An error that breaks the accelerator ends the process, as no further case could be measured in it.
        """
        try:
            self._serve(step)
        except Exception as error:
            if breaks_accelerator(error):
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(BROKEN)
            raise

    def _serve(self, step: Step) -> None:
        devices = resolve(step.devices)
        memory.trim()
        counts = memory.reset_peak()
        clock = SynchronizedClock(devices)
        memory.release(step.devices)
        self.channel.send({"opened": True})
        while not (asked := self.channel.receive()).get("close"):
            self.channel.send(_answer(asked, clock, step.fn))
        check_outputs(step, 1)
        if devices[0].name != "cpu":
            self.memory = devices[0].peak_memory()
        elif counts:
            self.memory = self._grown()

    def _grown(self) -> int | None:
        """Bytes by which this process has grown at most since the case began."""
        peak = memory.peak()
        return None if peak is None else max(0, peak - self._before)


def _answer(asked: Message, clock: SynchronizedClock, fn: Callable[[], Any]) -> Message:
    if "calibrate" in asked:
        calls = calibrate(clock, fn, clock.overhead()).calls
        return {"calls": calls, "seconds": clock.block(fn, calls).wall / calls}
    turn = asked["turn"]
    move_to(turn["cpu"])
    with PauseInstrumentation():  # type: ignore[no-untyped-call]  # coverage and profilers of the project
        if turn["lead"]:
            clock.block(fn, turn["lead"])
        return {"times": [clock.block(fn, turn["calls"]).wall / turn["calls"] for _ in range(turn["blocks"])]}


@dataclass(frozen=True)
class TurnsBenchmark:
    """The fixture ``device_benchmark`` of a worker, with the same methods; it returns no measurement.

    ``benchmark`` is pytest-benchmark's fixture, disabled, so that it only calls what it is given.
    """

    worker: Worker
    session: BenchSession
    benchmark: Any

    def __call__(self, step: Callable[[], Any], *, device: str = "cpu", units: int = 1) -> None:
        """Let the parent time ``step``. Raises ``OptionError`` for fewer than one unit."""
        if units < 1:
            raise OptionError(f"units is {units}; it must be a whole number above 0")
        asked: Sequence[int] = self.session.request.sweep.threads or ()
        chosen = threads(asked[0]) if len(asked) == 1 else contextlib.nullcontext()
        with chosen, machine_limits_are_skips():
            memory.limit(device, MEMORY_SHARE)
            resolve(device)[0].reset_peak_memory()
            self._serve(Step(fn=step, units=units, flops=None, devices=(device,), data="the test's own"))

    def case(self, case: Case) -> None:
        """Build a case, check it where the parent wants that, and let the parent time it."""
        workload, sources = self.session.selection.workload_of(case), self.session.request.sources
        with threads(case.threads), machine_limits_are_skips():
            memory.limit(case.device, MEMORY_SHARE)
            step = build(workload, case, sources=sources)
            devices = resolve(step.devices)
            devices[0].reset_peak_memory()
            check_build(workload, case, step)
            affordable = not workload.no_parity and affordable_batch(workload, case, step) == case.batch_size
            if self.worker.check and affordable:
                check_first_call(workload, case, step, SynchronizedClock(devices), sources)
                if "compile" in case.variant_parts:
                    check_compiled()
            self._serve(step)

    def _serve(self, step: Step) -> None:
        self.benchmark.pedantic(self.worker.serve, args=(step,), rounds=1, iterations=1)

    def study(self, *_: object) -> None:
        """A study has no step to time."""
        raise CaseSkipped("a study cannot be measured in turns")
