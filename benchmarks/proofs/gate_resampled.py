"""Gates of recorded pairs: as real ones would have gone, with some cases made slower."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from gate_pairs import Recorded, load
from gate_peers import RULES

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.verdicts import Rules, decided, judge
from bench_core.core.pairs import Figures, Pair

DATA = Path(__file__).parent / "data"
RECORDED = tuple(sorted(DATA.glob("gate_pairs_*.json.gz")))
MOST = 40
"""Pairs of a gate at most: what 8 minutes suffice for."""
BLOCK = 5
"""Pairs that stay together, in the order in which they were measured: what disturbed one disturbs the next."""

Sequences = dict[str, list[Pair]]
CLAIMS = (Verdict.SLOWER, Verdict.FASTER)


@dataclass(frozen=True)
class Gated:
    """A gate of resampled pairs: its verdict on each case, the cases that were changed, and how many pairs it took.

    ``scores`` are those of other tools' rules on the same pairs, by rule and case; empty unless asked for.
    """

    verdicts: dict[str, Verdict]
    changed: frozenset[str]
    pairs: int
    scores: dict[str, dict[str, float]]

    @property
    def alarmed(self) -> bool:
        """Whether it claims a change of a case that was not changed."""
        return any(self.verdicts[case] in CLAIMS for case in self.verdicts.keys() - self.changed)


@dataclass(frozen=True)
class Scene:
    """What is resampled: so many cases take ``factor`` times as long.

    ``half`` chooses the first (0) or second (1) half of each recording, or all of it (``None``).
    """

    factor: float = 1.0
    changed: int = 0
    half: int | None = None
    peers: bool = False


@cache
def recordings() -> tuple[Recorded, ...]:
    """All recordings."""
    return tuple(map(load, RECORDED))


def resampled(recorded: Recorded, half: int | None, draw: random.Random) -> Sequences:
    """The pairs of a gate by case: blocks of recorded pairs that begin anywhere."""
    middle = len(recorded.pairs) // 2
    places = range(len(recorded.pairs)) if half is None else (range(middle), range(middle, 2 * middle))[half]
    chosen = [
        places[(start + i) % len(places)]
        for start in (draw.randrange(len(places)) for _ in range(-(-MOST // BLOCK)))
        for i in range(BLOCK)
    ]
    return {case: [recorded.pairs[place][case] for place in chosen[:MOST]] for case in recorded.cases}


def slowed(pairs: Sequence[Pair], factor: float) -> list[Pair]:
    """The pairs with all times of head multiplied."""
    return [Pair(p.base, Figures(tuple(factor * t for t in p.head.times), p.head.memory)) for p in pairs]


def measured(pairs: Sequences) -> tuple[Sequences, dict[str, Verdict]]:
    """The pairs that a gate measures, one after the other until all cases are decided, and its verdicts."""
    names = {case: case for case in pairs}
    seen: Sequences = {case: [] for case in pairs}
    settled: set[str] = set()
    for i in range(MOST):
        for case in names.keys() - settled:
            seen[case].append(pairs[case][i])
        settled = decided(names, seen, {}, Rules())
        if settled == names.keys():
            break
    return seen, {case.id: case.verdict for case in judge(names, seen, {}, Rules())}


def one(scene: Scene, seed: int) -> Gated:
    """A gate of a resampled sequence."""
    draw = random.Random(seed)
    pairs = resampled(recordings()[seed % len(RECORDED)], scene.half, draw)
    changed = frozenset(draw.sample(sorted(pairs), scene.changed))
    seen, verdicts = measured({c: slowed(own, scene.factor) if c in changed else own for c, own in pairs.items()})
    scores = {rule.name: {case: rule.score(own) for case, own in seen.items()} for rule in RULES if scene.peers}
    return Gated(verdicts, changed, max(map(len, seen.values())), scores)


def gates(scene: Scene, number: int) -> list[Gated]:
    """So many gates, in two processes."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(partial(one, scene), range(number), chunksize=20))


def found(gated: Sequence[Gated], wanted: Callable[[Gated, str], bool]) -> tuple[int, int]:
    """How many of the changed cases are found, and how many there are."""
    hits = [wanted(gate, case) for gate in gated for case in gate.changed]
    return sum(hits), len(hits)
