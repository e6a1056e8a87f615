"""Real gates of this checkout against itself, with some cases of each side made slower by real work.

``python benchmarks/proofs/gate_real.py --gates 10`` compares identical code. ``--by 0.05`` draws six cases for each
gate, and makes three of them 5% slower in head and three in base. Prints the verdicts of each gate, its pairs and its
minutes.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.settings import read
from bench_core.analysis.gate.verdicts import CaseVerdict, Rules, decided, judge
from bench_core.execution.pairing.gating import Decide, Gating, run_gate
from bench_core.execution.pairing.sides import Side

ROOT = Path(__file__).parents[2]
SLOWED = 3
CLAIMS = {"head": Verdict.SLOWER, "base": Verdict.FASTER}
"""What a gate is to say of a case that is slower on a side."""
WORK = Path(tempfile.gettempdir()) / "bench-core-gate-real.json"
SIDES = [Side(name, name, ROOT, sys.executable) for name in ("base", "head")]


def gate(sides: Sequence[Side], decide: Decide) -> Gating:
    """A gate of the cases that this project gates."""
    seed = random.getrandbits(32)
    return run_gate(sides, read(ROOT).tests, decide, budget=8 * 60.0, seed=seed, note=lambda _: None)


def one(slowed: Mapping[str, Sequence[str]], by: float) -> Gating:
    """A gate in which these cases, by side, are slower."""
    sides = [slower(side, by, f"--slowed={','.join(slowed[side.name])}") for side in SIDES if slowed]
    return gate(sides or SIDES, lambda state: decided(state.names, state.pairs, state.troubles, Rules()))


def slower(side: Side, by: float, *options: str) -> Side:
    """A side with the plugin that makes cases slower; without options it finds out how much work that takes."""
    plugin = ("-p", "benchmarks.proofs.slowing", f"--slowed-work={WORK}", f"--slowed-by={by}")
    return replace(side, options=(*plugin, *options))


def shown(gating: Gating, slowed: Mapping[str, Sequence[str]]) -> str:
    """A line about a gate. What is slower in head is SLOWER, what is slower in base FASTER."""
    made = judge(gating.names, gating.pairs, gating.troubles, Rules())
    true = {name: verdict for side, verdict in CLAIMS.items() for name in slowed.get(side, ())}
    found = {
        verdict: sum(case.verdict is verdict for case in made if true.get(case.name) is verdict)
        for verdict in CLAIMS.values()
    }
    false = sum(case.verdict in found and case.verdict is not true.get(case.name) for case in made)
    return (
        f"{len(gating.took)} pairs, {gating.seconds / 60.0:.1f} min; "
        + "".join(f"{found[verdict]} of {len(slowed.get(side, ()))} {verdict}, " for side, verdict in CLAIMS.items())
        + f"{false} false claims; "
        + ", ".join(_shown(case, true) for case in made)
    )


def _shown(case: CaseVerdict, true: Mapping[str, Verdict]) -> str:
    """The verdict on a case and its ratio; a star stands at those that were changed."""
    return f"{case.verdict} {case.time.ratio if case.time else math.nan:.3f}{'*' if case.name in true else ''}"


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=10)
    parser.add_argument("--by", type=float, default=0.0)
    asked = parser.parse_args(arguments)
    WORK.unlink(missing_ok=True)
    base, head = SIDES
    one_pair = gate([base, slower(head, asked.by)], lambda state: {case for case in state.names if state.pairs[case]})
    names = sorted(one_pair.names.values())
    for number in range(1, asked.gates + 1):
        drawn = random.sample(names, 2 * SLOWED)
        slowed = {"head": drawn[:SLOWED], "base": drawn[SLOWED:]} if asked.by else {}
        print(f"gate {number}: {shown(one(slowed, asked.by), slowed)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
