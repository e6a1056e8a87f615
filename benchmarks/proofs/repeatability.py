"""Do two stored runs of one machine agree? Run ``python benchmarks/proofs/repeatability.py FIRST.json SECOND.json``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench_core.analysis.comparison import Comparison, compare_runs
from bench_core.core.records import Run
from bench_core.storage.files import load

SLACK, WANTED = 0.01, 0.95


@dataclass(frozen=True)
class Repeatability:
    """The cases that both runs have, and those of them that do not agree."""

    both: tuple[Comparison, ...]
    apart: tuple[Comparison, ...]

    @property
    def share(self) -> float:
        """The share of the cases that agree; 0 where there are none."""
        return 1.0 - len(self.apart) / len(self.both) if self.both else 0.0


def repeatability(first: Run, second: Run, slack: float = SLACK) -> Repeatability:
    """Two results agree if the confidence interval of their ratio, widened by ``slack``, includes 1.

    That interval combines those of both results; where one has none, the ratio must be within ``slack`` of 1.
    """
    both = tuple(c for c in compare_runs(first, second) if c.ratio is not None)
    return Repeatability(both, tuple(c for c in both if not _agree(c, slack)))


def _agree(c: Comparison, slack: float) -> bool:
    assert c.ratio is not None
    low, high = c.interval or (c.ratio, c.ratio)
    return low <= 1.0 + slack and high >= 1.0 - slack


def main(arguments: Sequence[str]) -> int:
    """Print the share of cases that agree, and those that do not; return 0 if at least 95% agree."""
    if len(arguments) != 2:
        print(__doc__)
        return 2
    first, second = (load(Path(name)) for name in arguments)
    result = repeatability(first, second)
    print(
        f"repeatability: {100 * result.share:.1f}% of {len(result.both)} cases agree within intervals plus {SLACK:.0%}"
    )
    for c in result.apart:
        span = "no interval" if c.interval is None else f"{c.interval[0]:.3f} to {c.interval[1]:.3f}"
        print(f"  apart: {c.case.id}: first / second {c.ratio:.3f} ({span})")
    return 0 if result.share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
