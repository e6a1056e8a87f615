"""Real pairs of processes of identical code, kept as data: what a gate sees where nothing changed.

``python benchmarks/proofs/gate_pairs.py FILE.json.gz --pairs 100 [--neighbors 1]`` records the cases of this project's
gate, with so many other processes that keep a core busy. It continues a file that has fewer pairs.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench_core.analysis.gate.settings import read
from bench_core.core.pairs import Figures, Pair
from bench_core.execution.pairing.gating import Gating, run_gate
from bench_core.execution.pairing.sides import Side

ROOT = Path(__file__).parents[2]
BUSY = "while True: pass"


@dataclass(frozen=True)
class Recorded:
    """Pairs of identical code in the order in which they were measured: each has the figures of all cases, by name.

    ``seconds`` are those of each pair, with the start of its processes. ``parts`` are the numbers of pairs that were
    measured without a break; hours may lie between two parts.
    """

    machine: str
    started: str
    neighbors: int
    pairs: tuple[dict[str, Pair], ...]
    seconds: tuple[float, ...]
    parts: tuple[int, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """The names of the cases that all pairs have."""
        return tuple(name for name in self.pairs[0] if all(name in pair for pair in self.pairs))


def load(path: Path) -> Recorded:
    """Read recorded pairs."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    pairs = tuple({name: _pair(*sides) for name, sides in pair.items()} for pair in data.pop("pairs"))
    return Recorded(pairs=pairs, seconds=tuple(data.pop("seconds")), parts=tuple(data.pop("parts")), **data)


def save(recorded: Recorded, path: Path) -> None:
    """Write recorded pairs, times with five digits."""
    pairs = [{name: [_figures(p.base), _figures(p.head)] for name, p in pair.items()} for pair in recorded.pairs]
    data = vars(recorded) | {"pairs": pairs, "seconds": [round(s, 2) for s in recorded.seconds]}
    path.write_bytes(gzip.compress(json.dumps(data, separators=(",", ":")).encode(), mtime=0))


def _pair(base: list[Any], head: list[Any]) -> Pair:
    return Pair(*(Figures(tuple(times), memory) for times, memory in (base, head)))


def _figures(figures: Figures) -> list[Any]:
    return [[float(f"{t:.5g}") for t in figures.times], figures.memory]


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many other processes that each keep a core busy."""
    neighbors = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for neighbor in neighbors:
            neighbor.kill()
            neighbor.wait()


def record(path: Path, count: int, neighbors: int) -> None:
    """Measure pairs until the file has so many; it is written after each."""
    before = load(path) if path.exists() else None
    had = len(before.pairs) if before else 0
    started = datetime.now(UTC).isoformat(timespec="seconds")
    sides = [Side(name, name, ROOT, sys.executable) for name in ("base", "head")]

    def note(gating: Gating) -> None:
        new = [
            {gating.names[case]: pairs[i] for case, pairs in gating.pairs.items() if len(pairs) == len(gating.took)}
            for i in range(len(gating.took))
        ]
        old = (before.pairs, before.seconds, before.parts) if before else ((), (), ())
        made = (*old[0], *new), (*old[1], *gating.took), (*old[2], len(new))
        save(Recorded(gating.machines[0], started, neighbors, *made), path)
        print(f"{time.strftime('%H:%M:%S')} pair {had + len(gating.took)}: {gating.took[-1]:.1f} s", flush=True)

    def enough(gating: Gating) -> set[str]:
        return {case for case, pairs in gating.pairs.items() if had + len(pairs) >= count}

    with busy(neighbors):
        run_gate(sides, read(ROOT).tests, enough, budget=1e6, seed=random.getrandbits(32), note=note)


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--neighbors", type=int, default=0)
    asked = parser.parse_args(arguments)
    record(asked.file, asked.pairs, asked.neighbors)


if __name__ == "__main__":
    main(sys.argv[1:])
