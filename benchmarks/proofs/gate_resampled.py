"""Gates of recorded pairs: as real ones would have gone, with some cases made slower."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, starmap
from pathlib import Path
from typing import Literal

from gate_pairs import Recorded, load
from gate_peers import RULES

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.verdicts import Rules, decided, judge
from bench_core.core.pairs import Figures, Pair

DATA = Path(__file__).parent / "data"
RECORDED = tuple(sorted(DATA.glob("gate_pairs_*.json.gz")))
BUDGET = 8 * 60.0
"""Seconds of a gate."""
START = 4.3
"""Seconds of a pair until both processes have collected their tests; the rest is shared by its cases."""
BLOCK = 5
"""Pairs that stay together, in the order in which they were measured: what disturbed one disturbs the next."""
SHORTEST = 10
"""Pairs of the shortest stretch from which processes of one version and then the other are taken; as the least that a
gate takes."""

Arrangement = Literal["in turns", "one after the other"]
"""Of the processes of two versions: the gate's pairs, or all processes of base and then all of head."""
Sequences = dict[str, list[Pair]]
CLAIMS = (Verdict.SLOWER, Verdict.FASTER)


@dataclass(frozen=True)
class Gated:
    """A gate of resampled pairs: its verdict on each case, the cases that were changed, how many pairs it took, and how
    many seconds these would have taken.

    ``scores`` are those of other tools' rules on the same pairs, by rule and case; empty unless asked for.
    """

    verdicts: dict[str, Verdict]
    changed: frozenset[str]
    pairs: int
    seconds: float
    scores: dict[str, dict[str, float]]

    @property
    def alarmed(self) -> bool:
        """Whether it claims a change of a case that was not changed."""
        return any(self.verdicts[case] in CLAIMS for case in self.verdicts.keys() - self.changed)


@dataclass(frozen=True)
class Scene:
    """What is resampled: so many cases take ``factor`` times as long.

    ``half`` chooses the first (0) or second (1) half of each recording, or all of it (``None``). ``peers`` says how the
    processes are measured that other tools' rules see, if they are asked.
    """

    factor: float = 1.0
    changed: int = 0
    half: int | None = None
    peers: Arrangement | None = None


@cache
def recordings() -> tuple[Recorded, ...]:
    """All recordings."""
    return tuple(map(load, RECORDED))


def halved(recorded: Recorded, half: int | None) -> range:
    """The places of the pairs of the first (0) or second (1) half of a recording, or of all (``None``)."""
    middle = len(recorded.pairs) // 2
    return range(len(recorded.pairs)) if half is None else (range(middle), range(middle, 2 * middle))[half]


def resampled(recorded: Recorded, half: int | None, draw: random.Random) -> Iterator[int]:
    """The places of the pairs of a gate: blocks of recorded pairs that begin anywhere."""
    places = halved(recorded, half)
    while True:
        start = draw.randrange(len(places))
        yield from (places[(start + i) % len(places)] for i in range(BLOCK))


def slowed(pair: Pair, factor: float) -> Pair:
    """The pair with all times of head multiplied."""
    return Pair(pair.base, Figures(tuple(factor * t for t in pair.head.times), pair.head.memory))


def one_after_the_other(recorded: Recorded, half: int | None, number: int, draw: random.Random) -> Sequences:
    """By case, at most ``number`` processes of base and then as many of head, in the order in which they were measured.

    Of identical code each process may be of either version, so as many recorded pairs that follow each other without a
    break have them all.
    """
    stretch = draw.choice(stretches(recorded, half))
    count = min(number, len(stretch))
    start = draw.randrange(len(stretch) - count + 1)
    pairs = [recorded.pairs[place] for place in stretch[start:][:count]]
    made: Sequences = {}
    for case in recorded.cases:
        processes = [figures for pair in pairs for figures in (pair[case].base, pair[case].head)]
        made[case] = list(starmap(Pair, zip(processes[:count], processes[count:], strict=True)))
    return made


def stretches(recorded: Recorded, half: int | None) -> list[range]:
    """The places of pairs that were measured without a break, as far as they are in the half; those of at least
    ``SHORTEST`` pairs."""
    inside = halved(recorded, half)
    parts = zip(recorded.parts, accumulate(recorded.parts), strict=True)
    clipped = (range(max(end - size, inside.start), min(end, inside.stop)) for size, end in parts)
    return [part for part in clipped if len(part) >= SHORTEST]


def measured(recorded: Recorded, places: Iterator[int], factors: Mapping[str, float]) -> tuple[Sequences, float]:
    """The pairs that a gate measures, one after the other until all cases are decided or the time is spent; and its
    seconds. ``factors`` say how much longer the cases take in head."""
    names = {case: case for case in recorded.cases}
    seen: Sequences = {case: [] for case in names}
    settled: set[str] = set()
    spent = 0.0
    while settled != names.keys():
        place, cases = next(places), names.keys() - settled
        spent += START + (recorded.seconds[place] - START) * len(cases) / len(names)
        if spent > BUDGET:
            break
        for case in cases:
            pair = recorded.pairs[place][case]
            seen[case].append(slowed(pair, factors[case]) if case in factors else pair)
        settled = decided(names, seen, {}, Rules())
    return seen, min(spent, BUDGET)


def one(scene: Scene, seed: int) -> Gated:
    """A gate of a resampled sequence."""
    draw = random.Random(seed)
    recorded = recordings()[seed % len(RECORDED)]
    changed = frozenset(draw.sample(sorted(recorded.cases), scene.changed))
    factors = dict.fromkeys(changed, scene.factor)
    seen, seconds = measured(recorded, resampled(recorded, scene.half, draw), factors)
    verdicts = {case.id: case.verdict for case in judge({case: case for case in seen}, seen, {}, Rules())}
    scores: dict[str, dict[str, float]] = {}
    if scene.peers == "in turns":
        scores = scored(seen)
    elif scene.peers:
        apart = one_after_the_other(recorded, scene.half, max(map(len, seen.values())), draw)
        scores = scored({case: [slowed(p, factors.get(case, 1.0)) for p in own] for case, own in apart.items()})
    return Gated(verdicts, changed, max(map(len, seen.values())), seconds, scores)


def scored(seen: Sequences) -> dict[str, dict[str, float]]:
    """The scores of other tools' rules, by rule and case."""
    return {rule.name: {case: rule.score(own) for case, own in seen.items()} for rule in RULES}


def gates(scene: Scene, number: int) -> list[Gated]:
    """So many gates, in two processes."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(partial(one, scene), range(number), chunksize=20))


def found(gated: Sequence[Gated], wanted: Callable[[Gated, str], bool]) -> tuple[int, int]:
    """How many of the changed cases are found, and how many there are."""
    hits = [wanted(gate, case) for gate in gated for case in gate.changed]
    return sum(hits), len(hits)
