"""Real gates of this checkout against itself, with some cases of one side made slower by real work.

``python benchmarks/proofs/gate_real.py --gates 10`` compares identical code. ``--by 0.05 --side head`` makes three
cases, drawn for each gate, 5% slower on that side. Prints the verdicts of each gate, its pairs and its minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.settings import read
from bench_core.analysis.gate.verdicts import Rules, decided, judge
from bench_core.execution.pairing.gating import Decide, Gating, run_gate
from bench_core.execution.pairing.sides import Side

ROOT = Path(__file__).parents[2]
PLUGIN = ("-p", "benchmarks.proofs.slowing")
SLOWED = 3
SIDES = [Side(name, name, ROOT, sys.executable) for name in ("base", "head")]


def gate(sides: Sequence[Side], decide: Decide) -> Gating:
    """A gate of the cases that this project gates."""
    seed = random.getrandbits(32)
    return run_gate(sides, read(ROOT).tests, decide, budget=8 * 60.0, seed=seed, note=lambda _: None)


def one(slowed: Sequence[str], by: float, slow_side: str) -> Gating:
    """A gate in which these cases are slower on one side."""
    os.environ |= {"SLOWED": ",".join(slowed), "SLOWED_BY": str(by)}
    sides = [replace(side, options=PLUGIN) if slowed and side.name == slow_side else side for side in SIDES]
    return gate(sides, lambda state: decided(state.names, state.pairs, state.troubles, Rules()))


def shown(gating: Gating, slowed: Sequence[str], wanted: Verdict) -> str:
    """A line about a gate."""
    made = judge(gating.names, gating.pairs, gating.troubles, Rules())
    found = sum(case.verdict is wanted for case in made if case.name in slowed)
    false = sum(case.verdict in (Verdict.SLOWER, Verdict.FASTER) for case in made if case.name not in slowed)
    return (
        f"{len(gating.took)} pairs, {gating.seconds / 60.0:.1f} min; {found} of {len(slowed)} changed cases {wanted}, "
        f"{false} false claims; " + ", ".join(f"{case.verdict} {case.time.ratio:.3f}" for case in made if case.time)
    )


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=10)
    parser.add_argument("--by", type=float, default=0.0)
    parser.add_argument("--side", choices=("base", "head"), default="head")
    asked = parser.parse_args(arguments)
    names = sorted(gate(SIDES, lambda state: set(state.names)).names.values())
    wanted = Verdict.SLOWER if asked.side == "head" else Verdict.FASTER
    for number in range(1, asked.gates + 1):
        slowed = random.sample(names, SLOWED) if asked.by else []
        print(f"gate {number}: {shown(one(slowed, asked.by, asked.side), slowed, wanted)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
