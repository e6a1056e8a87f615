"""Do two stored runs of one machine agree? ``python benchmarks/proofs/repeatability.py FIRST.json SECOND.json``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench_core.analysis.comparison import Comparison, compare
from bench_core.core.records import Run
from bench_core.storage.files import load

SLACK, WANTED = 0.01, 0.95


@dataclass(frozen=True)
class Repeatability:
    """The cases that both runs hold, and those of them that do not agree."""

    both: tuple[Comparison, ...]
    apart: tuple[Comparison, ...]

    @property
    def share(self) -> float:
        """The share of the cases that agree; 0 where there are none."""
        return 1.0 - len(self.apart) / len(self.both) if self.both else 0.0


def repeatability(first: Run, second: Run, slack: float = SLACK) -> Repeatability:
    """Two figures agree if the interval of their ratio, widened by ``slack``, holds 1.

    That interval joins those of both figures; where one has none, the ratio itself must be within ``slack`` of 1.
    """
    both = tuple(c for c in compare(first, second) if c.ratio is not None)
    return Repeatability(both, tuple(c for c in both if not _agree(c, slack)))


def _agree(c: Comparison, slack: float) -> bool:
    assert c.ratio is not None
    low, high = c.interval or (c.ratio, c.ratio)
    return low <= 1.0 + slack and high >= 1.0 - slack


def main(arguments: Sequence[str]) -> int:
    """Print the share and what does not agree; 0 if at least 95% do."""
    if len(arguments) != 2:
        print(__doc__)
        return 2
    found = repeatability(*(load(Path(name)) for name in arguments))
    print(f"repeatability: {100 * found.share:.1f}% of {len(found.both)} cases agree within intervals plus {SLACK:.0%}")
    for c in found.apart:
        span = "no interval" if c.interval is None else f"{c.interval[0]:.3f} to {c.interval[1]:.3f}"
        print(f"  apart: {c.case.id}: first / second {c.ratio:.3f} ({span})")
    return 0 if found.share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
