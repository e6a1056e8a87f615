"""Pairs of processes, one after the other, until each case is decided or the time is spent."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench_core.core.errors import GateError
from bench_core.core.pairs import Ending, Pair, Trouble
from bench_core.execution.pairing.guard import Guard
from bench_core.execution.pairing.matching import Matched, matched
from bench_core.execution.pairing.pairs import CaseTrouble, Pairing, Turns, started
from bench_core.execution.pairing.protocol import Hello
from bench_core.execution.pairing.sides import Side

OTHER_CASTING = "not the same work: one side has its numbers stored in 16 bits, the other casts them in each call"
"""Why a case is not compared that one side computes under autocast."""


@dataclass
class Gating:
    """The state of a gate: the figures of each case so far, by its id, and the cases that one side cannot measure.

    ``cases`` are the tests of both sides, by id, ``machines`` the two machines as each side describes it. ``took`` are
    the seconds of each pair, ``seconds`` those of everything. ``broken`` says why no further pair could be started.
    """

    cases: dict[str, Matched] = field(default_factory=dict)
    machines: tuple[str, str] = ("", "")
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    broken: str | None = None

    @property
    def names(self) -> dict[str, str]:
        """What the cases measure, by id."""
        return {case: one.name for case, one in self.cases.items()}

    def note_collected(self, base: Hello, head: Hello, by_place: bool) -> None:
        """Note what both sides collected, when the first pair did.

        Raises ``GateError`` if that is nothing, or if neither knows an argument.
        """
        if unknown := [argument for argument in head.unknown if argument in base.unknown]:
            raise GateError(f"base and head have no test {unknown[0]!r}; name a file, folder or test that exists")
        self.machines = base.machine, head.machine
        self.cases = {one.id: one for one in matched(base.items, head.items, by_place)}
        for case, one in self.cases.items():
            self.pairs[case] = []
            if None in one.ids:
                side = "head" if one.head is None else "base"
                self.troubles[case] = Trouble(side, Ending.MISSING, "there is no such test")
            elif (one.base in base.stored) != (one.head in head.stored):
                self.troubles[case] = Trouble("base", Ending.SKIPPED, OTHER_CASTING)
        if not self.cases:
            raise GateError("base and head have no test that uses device_benchmark; name some")

    def open(self, decided: set[str]) -> list[Matched]:
        """The cases that are still to be measured."""
        return [one for case, one in self.cases.items() if case not in decided and case not in self.troubles]


STARTS = 2
"""How often in a row a pair may fail to start, after the first one."""

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

    Raises ``GateError`` if a side cannot collect its tests, or both have none. What was measured is kept if a later
    pair fails to start, twice in a row.
    """
    gating, draw, start = Gating(), random.Random(seed), clock()
    guard = Guard()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-core-logs-") as logs:
            failed = 0
            while failed < STARTS and _goes_on(gating, decide, budget):
                began = clock()
                try:
                    with started(sides, arguments, Path(logs), guard, draw, turns) as (pairing, collected):
                        if not gating.cases:
                            gating.note_collected(*collected, by_place=any(side.options for side in sides))
                        _measure(pairing, gating, draw, decide, lambda: clock() - start > budget)
                except GateError as error:
                    if not gating.took:
                        raise
                    failed, gating.broken = failed + 1, str(error)
                    continue
                failed, gating.broken = 0, None
                gating.took.append(clock() - began)
                gating.seconds = clock() - start
                note(gating)
    except KeyboardInterrupt:
        gating.interrupted = True
    finally:
        guard.close()
    return gating


def _goes_on(gating: Gating, decide: Decide, budget: float) -> bool:
    """Whether there is a case to measure, and time for another pair or no figure of it yet."""
    if not gating.took:
        return True
    cases = gating.open(decide(gating))
    if any(not gating.pairs[case.id] for case in cases):
        return True
    return bool(cases) and gating.seconds + max(gating.took[-3:]) <= budget


def _measure(pairing: Pairing, gating: Gating, draw: random.Random, decide: Decide, late: Callable[[], bool]) -> None:
    """Measure the open cases in random order. A process that breaks ends the pair. At the end of the time, only cases
    without a figure are still measured."""
    cases = gating.open(decide(gating))
    draw.shuffle(cases)
    for case in cases:
        first = not gating.pairs[case.id]
        if not first and late():
            continue
        try:
            gating.pairs[case.id].append(pairing.measure(case.ids, check=first))
        except CaseTrouble as trouble:
            gating.troubles[case.id] = trouble.trouble
            if trouble.broken:
                return
