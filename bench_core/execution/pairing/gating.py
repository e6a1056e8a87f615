"""Pairs of processes, one after the other, until each case is decided or the time is spent."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench_core.core.errors import GateError
from bench_core.core.pairs import Pair, Trouble
from bench_core.execution.pairing.guard import Guard
from bench_core.execution.pairing.matching import Matched, matched
from bench_core.execution.pairing.pairs import CaseTrouble, Pairing, Turns, started
from bench_core.execution.pairing.protocol import Hello
from bench_core.execution.pairing.sides import Side


@dataclass
class Gating:
    """The state of a gate: the figures of each case so far, by its id, and the cases that one side cannot measure.

    ``cases`` are the tests of both sides, by id, ``machines`` the two machines as each side describes it. ``took`` are
    the seconds of each pair, ``seconds`` those of everything.
    """

    cases: dict[str, Matched] = field(default_factory=dict)
    machines: tuple[str, str] = ("", "")
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def names(self) -> dict[str, str]:
        """What the cases measure, by id."""
        return {case: one.name for case, one in self.cases.items()}

    def note_collected(self, base: Hello, head: Hello, by_place: bool) -> None:
        """Note what both sides collected, when the first pair did."""
        self.machines = base.machine, head.machine
        self.cases = {one.id: one for one in matched(base.items, head.items, by_place)}
        for case, one in self.cases.items():
            self.pairs[case] = []
            if None in one.ids:
                side = "head" if one.head is None else "base"
                self.troubles[case] = Trouble(side, "missing", "there is no such test")

    def open(self, decided: set[str]) -> list[Matched]:
        """The cases that are still to be measured."""
        return [one for case, one in self.cases.items() if case not in decided and case not in self.troubles]


Decide = Callable[[Gating], set[str]]
"""Names the cases that need no further pairs."""


def run_gate(
    sides: Sequence[Side],
    arguments: Sequence[str],
    decide: Decide,
    *,
    budget: float,
    seed: int,
    note: Callable[[Gating], None],
    turns: Turns = Turns(),  # noqa: B008 - frozen
    clock: Callable[[], float] = time.monotonic,
) -> Gating:
    """Measure pairs of processes until ``decide`` has named all cases or the budget (seconds) does not suffice for
    another pair, or until Ctrl-C. ``note`` is called after each pair.

    Raises ``GateError`` if a side cannot collect its tests, or both have none.
    """
    gating, draw, start = Gating(), random.Random(seed), clock()
    guard = Guard()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-core-logs-") as logs:
            while _goes_on(gating, decide, budget):
                began = clock()
                with started(sides, arguments, Path(logs), guard, draw, turns) as (pairing, collected):
                    if not gating.cases:
                        gating.note_collected(*collected, by_place=any(side.options for side in sides))
                        if not gating.cases:
                            raise GateError("base and head have no test that uses device_benchmark; name some")
                    _measure(pairing, gating, draw, decide, lambda: clock() - start > budget)
                gating.took.append(clock() - began)
                gating.seconds = clock() - start
                note(gating)
    except KeyboardInterrupt:
        gating.interrupted = True
    finally:
        guard.close()
    return gating


def _goes_on(gating: Gating, decide: Decide, budget: float) -> bool:
    """Whether there is a case to measure, and time for another pair."""
    if not gating.took:
        return True
    return bool(gating.open(decide(gating))) and gating.seconds + max(gating.took[-3:]) <= budget


def _measure(pairing: Pairing, gating: Gating, draw: random.Random, decide: Decide, late: Callable[[], bool]) -> None:
    """Measure the open cases in random order. A process that breaks ends the pair, and so does the end of the time,
    but for the first pair: every case gets a figure."""
    cases = gating.open(decide(gating))
    draw.shuffle(cases)
    for case in cases:
        if gating.took and late():
            return
        try:
            gating.pairs[case.id].append(pairing.measure(case.ids, check=not gating.took))
        except CaseTrouble as trouble:
            gating.troubles[case.id] = trouble.trouble
            if trouble.broken:
                return
