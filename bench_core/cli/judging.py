"""A gate as commands run it: two sides are measured in turns and judged, with a line of progress after each pair."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench_core.analysis.gate.result import GateResult
    from bench_core.analysis.gate.verdicts import Rules
    from bench_core.execution.pairing.gating import Gating
    from bench_core.execution.pairing.request import Compared

TIMEOUT = 120.0
"""Seconds in which a worker must answer."""


def judged(
    compared: Compared,
    tests: Sequence[str],
    rules: Rules,
    *,
    budget: float,
    timeout: float = TIMEOUT,
    seed: int | None = None,
    case: str | None = None,
) -> tuple[Gating, GateResult]:
    """Run a gate in the current folder: of all tests that these arguments of pytest collect, or of one ``case`` only.

    ``budget`` and ``timeout`` are in seconds; without a ``seed`` one is drawn. From now on, SIGTERM and SIGHUP are
    as Ctrl-C.

    Raises ``OptionError`` if no collected test measures the case, or for what cannot be compared; ``GateError`` if a
    side cannot collect its tests.
    """
    from bench_core.analysis.gate.result import GateResult
    from bench_core.analysis.gate.verdicts import CaseVerdict, decided, judge
    from bench_core.execution.pairing.gating import run_gate
    from bench_core.execution.pairing.matching import measuring
    from bench_core.execution.pairing.pairs import Turns
    from bench_core.execution.pairing.request import sides
    from bench_core.report.gate.progress import progress

    def names(gating: Gating) -> dict[str, str]:
        """What is judged, by id."""
        if case is None or not gating.cases:
            return gating.names
        return {measuring(case, gating.cases.values()).id: case}

    def done(gating: Gating) -> set[str]:
        wanted = names(gating)
        return (set(gating.cases) - set(wanted)) | decided(wanted, gating.pairs, gating.troubles, rules)

    def verdicts(gating: Gating) -> tuple[CaseVerdict, ...]:
        return judge(names(gating), gating.pairs, gating.troubles, rules)

    def note(gating: Gating) -> None:
        _say(progress(verdicts(gating), len(gating.took), gating.seconds, budget))

    with _signals(), sides(compared, Path.cwd()) as both:
        _say(f"bench-core: {both[1].title} against {both[0].title}")
        gating = run_gate(
            both,
            tests,
            done,
            budget=budget,
            seed=random.SystemRandom().getrandbits(32) if seed is None else seed,
            note=note,
            turns=Turns(timeout=timeout),
        )
    if gating.broken:
        _say(f"bench-core: ended early, as no further pair could be started: {gating.broken}")
    base, head = gating.machines
    result = GateResult(
        base=both[0].title,
        head=both[1].title,
        machine=head if base == head else f"base: {base}; head: {head}",
        cases=verdicts(gating),
        pairs=len(gating.took),
        seconds=gating.seconds,
        budget=budget,
        interrupted=gating.interrupted,
    )
    return gating, result


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """End like Ctrl-C when the job is cancelled or the connection lost; and outlive a worker that has died, to which
    one cannot write any more."""
    if os.name != "posix":
        yield
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, signal.default_int_handler)
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


def _say(line: str) -> None:
    """Print a line of progress, if somebody still reads it."""
    with contextlib.suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)
