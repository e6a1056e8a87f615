"""A pair of workers: each case is timed in both, in turns of short blocks."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from bench_core.core.errors import CaseProcessError, GateError
from bench_core.core.pairs import Ending, Figures, Pair, Trouble
from bench_core.core.schema import as_dataclass
from bench_core.execution.pairing.guard import Guard
from bench_core.execution.pairing.protocol import Calibrated, Ended, Hello, Message, Opened, Timed
from bench_core.execution.pairing.remote import Remote
from bench_core.execution.pairing.sides import Side
from bench_core.hardware.affinity import allowed_cpus

R = TypeVar("R", Opened, Calibrated, Timed, Ended)

ORDERS = ((0, 1, 1, 0), (1, 0, 0, 1))
"""Turns of four blocks: A B B A, or the other way round."""
STRAY = "loads code of the other side: {0}; install it so that each side loads its own"


@dataclass(frozen=True)
class Turns:
    """How long the two sides are measured: seconds of blocks per side and pair, the fewest and most blocks, the share
    of further calls that go untimed before each turn, and the seconds in which a worker must answer."""

    seconds: float = 0.6
    fewest: int = 6
    most: int = 56
    lead: float = 0.25
    timeout: float = 120.0

    def blocks(self, block: float) -> int:
        """The number of blocks per side if one takes ``block`` seconds: even, so that turns of four fit."""
        return 2 * round(min(self.most, max(self.fewest, self.seconds / block)) / 2)


class CaseTrouble(Exception):  # noqa: N818 - an outcome of one case
    """A case that one side could not measure. If the process is ``broken``, it can measure nothing else either."""

    def __init__(self, side: str, outcome: Ending, reason: str, broken: bool = False) -> None:
        super().__init__(reason)
        self.trouble = Trouble(side, outcome, reason)
        self.broken = broken


@contextlib.contextmanager
def started(
    sides: Sequence[Side], arguments: Sequence[str], logs: Path, guard: Guard, draw: random.Random, turns: Turns
) -> Iterator[tuple[Pairing, tuple[Hello, Hello]]]:
    """A fresh worker for each side, and what both have collected; they have ended afterwards.

    Raises ``GateError`` if a side cannot collect its tests.
    """
    order = draw.sample(range(2), 2)
    workers = {which: Remote(sides[which], arguments, logs / f"{sides[which].name}.log", guard) for which in order}
    try:
        collected = {which: greeted(workers[which]) for which in order}
        yield Pairing((workers[0], workers[1]), draw, turns), (collected[0], collected[1])
    finally:
        for worker in workers.values():
            worker.end()


def greeted(worker: Remote) -> Hello:
    """What a worker has collected. Raises ``GateError`` if it cannot."""
    try:
        return worker.hello()
    except CaseProcessError as error:
        raise GateError(f"{worker.side.name} ({worker.side.title}): {error}") from None


class Pairing:
    """Two workers that take turns."""

    def __init__(self, workers: tuple[Remote, Remote], draw: random.Random, turns: Turns) -> None:
        self._workers, self._draw, self._turns = workers, draw, turns
        self._inside: frozenset[int] = frozenset()
        # The CPUs of a shared machine differ in speed, and which one is slow changes within seconds. So both sides
        # begin each turn on the same one.
        self._cpu = draw.choice(sorted(allowed_cpus() or {0}))

    def measure(self, ids: tuple[str | None, str | None], check: bool) -> Pair:
        """Measure a case, which has these ids in base and head. Raises ``CaseTrouble`` if a side cannot."""
        try:
            return self._measure(ids, check)
        except CaseTrouble as trouble:
            if not trouble.broken:
                self._close_others(trouble)
            raise

    def _close_others(self, trouble: CaseTrouble) -> None:
        """Close the case where it is still open."""
        try:
            for which in tuple(self._inside):
                self._ask(which, {"close": True}, Ended)
        except CaseTrouble as further:
            trouble.broken = further.broken

    def _measure(self, ids: tuple[str | None, str | None], check: bool) -> Pair:
        order = self._draw.sample(range(2), 2)
        for which in order:
            self._ask(which, {"open": ids[which], "check": check, "cpu": self._cpu}, Opened)
        calibrated = [self._ask(which, {"calibrate": True}, Calibrated) for which in order]
        calls = max(reply.calls for reply in calibrated)
        block = calls * max(reply.seconds for reply in calibrated)
        times: tuple[list[float], list[float]] = [], []
        for which, blocks in self._schedule(self._turns.blocks(block)):
            turn = {"calls": calls, "blocks": blocks, "lead": math.floor(self._turns.lead * calls), "cpu": self._cpu}
            times[which].extend(self._ask(which, {"turn": turn}, Timed, 4.0 * block * (blocks + 1)).times)
        ends = {which: self._ask(which, {"close": True}, Ended) for which in order}
        base, head = (Figures(tuple(times[which]), ends[which].memory) for which in range(2))
        return Pair(base, head)

    def _schedule(self, blocks: int) -> Iterator[tuple[int, int]]:
        """The turns: which side, and how many blocks; two blocks in a row of one side are one turn."""
        sequence = [which for _ in range(blocks // 2) for which in self._draw.choice(ORDERS)]
        for which, group in groupby(sequence):
            yield which, len(list(group))

    def _ask(self, which: int, message: Message, wanted: type[R], further: float = 0.0) -> R:
        """Ask a worker. Raises ``CaseTrouble`` if it does not answer as wanted, or did not pass the test at its end."""
        side = self._workers[which].side.name
        try:
            answer = self._workers[which].ask(message, self._turns.timeout + further)
            reply, _ = as_dataclass(Ended if "ended" in answer else wanted, answer)
        except CaseProcessError as error:
            raise CaseTrouble(side, Ending.FAILED, str(error), broken=True) from None
        except ValueError as error:
            raise CaseTrouble(side, Ending.FAILED, f"it sent what is not an answer ({error})", broken=True) from None
        self._inside = self._inside - {which} if isinstance(reply, Ended) else self._inside | {which}
        if isinstance(reply, Ended):
            _check(side, reply)
        if not isinstance(reply, wanted):
            raise CaseTrouble(side, Ending.FAILED, "never called device_benchmark")
        return reply


def _check(side: str, ended: Ended) -> None:
    """Raise ``CaseTrouble`` unless a test passed, with the code of its own side."""
    if ended.stray:
        raise CaseTrouble(side, Ending.FAILED, STRAY.format(ended.stray))
    if ended.ended != "passed":
        raise CaseTrouble(side, Ending.SKIPPED if ended.ended == "skipped" else Ending.FAILED, ended.reason)
