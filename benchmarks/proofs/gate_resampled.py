"""Gates of recorded pairs: as real ones would have gone, with some cases made slower."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from gate_pairs import Recorded, load

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.verdicts import Rules, decided, judge
from bench_core.core.pairs import Figures, Pair

DATA = Path(__file__).parent / "data"
RECORDED = tuple(sorted(DATA.glob("gate_pairs_*.json.gz")))
MOST = 45
"""Pairs of a gate at most: about what 8 minutes suffice for."""
BLOCK = 5
"""Pairs that stay together, in the order in which they were measured: what disturbed one disturbs the next."""

Sequences = dict[str, list[Pair]]


def resampled(recorded: Recorded, draw: random.Random) -> Sequences:
    """The pairs of a gate by case: blocks of recorded pairs that begin anywhere."""
    places = [
        (start + i) % len(recorded.pairs)
        for start in (draw.randrange(len(recorded.pairs)) for _ in range(-(-MOST // BLOCK)))
        for i in range(BLOCK)
    ]
    return {case: [recorded.pairs[place][case] for place in places[:MOST]] for case in recorded.cases}


def slowed(pairs: Sequence[Pair], factor: float) -> list[Pair]:
    """The pairs with all times of head multiplied."""
    return [Pair(p.base, Figures(tuple(factor * t for t in p.head.times), p.head.memory)) for p in pairs]


def gate(pairs: Sequences) -> dict[str, Verdict]:
    """The verdicts of a gate that measures these pairs one after the other, until all cases are decided."""
    names = {case: case for case in pairs}
    seen: Sequences = {case: [] for case in pairs}
    settled: set[str] = set()
    for i in range(MOST):
        for case in names.keys() - settled:
            seen[case].append(pairs[case][i])
        settled = decided(names, seen, {}, Rules())
        if settled == names.keys():
            break
    return {case.id: case.verdict for case in judge(names, seen, {}, Rules())}


def one(factor: float, count: int, seed: int) -> tuple[dict[str, Verdict], list[str]]:
    """A gate of a resampled sequence in which so many cases take ``factor`` times as long; and these cases."""
    draw = random.Random(seed)
    pairs = resampled(load_cached()[seed % len(RECORDED)], draw)
    changed = draw.sample(sorted(pairs), count)
    return gate({case: slowed(own, factor) if case in changed else own for case, own in pairs.items()}), changed


def load_cached(kept: list[Recorded] = []) -> list[Recorded]:  # noqa: B006 - once in each process
    """All recordings."""
    if not kept:
        kept.extend(map(load, RECORDED))
    return kept


def gates(factor: float, count: int, number: int) -> list[tuple[dict[str, Verdict], list[str]]]:
    """So many gates, in two processes."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(partial(one, factor, count), range(number), chunksize=20))


def share(
    results: Sequence[tuple[Mapping[str, Verdict], list[str]]], found: Callable[[Verdict], bool]
) -> tuple[int, int]:
    """How many of the changed cases have such a verdict, and how many there are."""
    verdicts = [made[case] for made, changed in results for case in changed]
    return sum(map(found, verdicts)), len(verdicts)
