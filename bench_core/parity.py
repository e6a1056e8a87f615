"""Parity first: a step that does not agree with float64 fails, and is not timed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_core import precision, workloads
from bench_core.agreement import FirstCall, ParityError, check_build, judge, modes
from bench_core.reference import affordable_batch, reference
from bench_core.spec import Case, Step
from bench_core.telemetry import Parity


class Gate:
    """Holds the step of a case against float64 at its very first call: that of the step that is then timed.

    A case that would take minutes in float64 is held against it at a smaller batch instead, by a step of its own, once
    the case is measured: before, it would warm up what its cold start is to find cold.
    """

    def __init__(self, case: Case, step: Step, data_dir: Path | None = None) -> None:
        """Compute the reference, or find it. Raises ``ParityError`` for a step that is wrong before it is called."""
        started = time.perf_counter()
        check_build(case, step, workloads.get(case.workload))
        batch = affordable_batch(case, step)
        self._case = case if batch == case.batch_size else replace(case, batch_size=batch, caches="hot")
        self._step = step if self._case is case else None
        self._data_dir = data_dir
        with precision.kept():
            self._reference = reference(self._case, data_dir)
        if modes(step) != self._reference.modes:
            raise ParityError(
                f"{case.id}: part of the model is in another mode (training, evaluation) than its reference"
            )
        self._first = FirstCall(step)
        self._parity: Parity | None = None
        self._seconds = time.perf_counter() - started

    def after_first(self, output: Any) -> None:
        """Judge the first call by what it returned and left behind. Raises ``ParityError``."""
        if self._step is not None:
            self._judge(self._first, output)

    def result(self) -> Parity:
        """What was found; a case that was not judged at its first call is now, at the smaller batch.

        Raises ``ParityError``.
        """
        if self._step is None:
            with precision.kept():
                step = workloads.build(self._case, data_dir=self._data_dir)
                self._judge(FirstCall(step), step())
        assert self._parity is not None, "after_first was not called"
        return self._parity

    def _judge(self, first: FirstCall, output: Any) -> None:
        started = time.perf_counter()
        parity = judge(self._case, first.seen(output), self._reference)
        self._parity = replace(parity, seconds=self._seconds + time.perf_counter() - started)
