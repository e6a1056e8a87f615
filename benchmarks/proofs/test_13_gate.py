"""The gate on recorded pairs of identical code: false alarms, changes of known size, and other tools' rules."""

import statistics
from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
import pytest
from gate_peers import RULES
from gate_resampled import RECORDED, Arrangement, Gated, Scene, found, gates
from rates import shown

from bench_core.analysis.comparison import Verdict

PrintLine = Callable[[str], None]

pytestmark = pytest.mark.skipif(not RECORDED, reason="no recorded pairs; benchmarks/proofs/gate_pairs.py makes them")


def test_false_alarms(print_line: PrintLine) -> None:
    made = gates(Scene(), 2000)
    alarms = sum(gate.alarmed for gate in made)
    verdicts = [verdict for gate in made for verdict in gate.verdicts.values()]
    print_line(
        f"gates of identical code with a false alarm: {shown(alarms, len(made))}; "
        f"SAME: {shown(verdicts.count(Verdict.SAME), len(verdicts))}; "
        f"{cost(made)}"
    )
    assert alarms / len(made) <= 0.015


@pytest.mark.parametrize(("factor", "least"), [(1.05, 0.9), (1.03, 0.6), (1 / 1.05, 0.9), (1 / 1.03, 0.6)])
def test_power(factor: float, least: float, print_line: PrintLine) -> None:
    made = gates(Scene(factor, changed=3), 500)
    wanted = Verdict.SLOWER if factor > 1.0 else Verdict.FASTER
    hits, count = found(made, lambda gate, case: gate.verdicts[case] is wanted)
    print_line(
        f"3 cases take {factor:.3f} times as long: {wanted} {shown(hits, count)}; "
        f"gates with a false claim on another case: {sum(gate.alarmed for gate in made)}; "
        f"{cost(made)}"
    )
    assert hits / count >= least


@pytest.mark.parametrize("peers", get_args(Arrangement))
def test_other_tools_rules(peers: Arrangement, print_line: PrintLine) -> None:
    """Thresholds are tuned on the first half of each recording; everything is judged on the second."""
    number = 500
    tuning, same = (gates(Scene(half=half, peers=peers), number) for half in (0, 1))
    slower = {percent: gates(Scene(1.0 + percent / 100, 3, half=1, peers=peers), number) for percent in (5, 3)}
    own = [shown(sum(gate.alarmed for gate in same), number)]
    own += [shown(*found(gated, lambda gate, case: gate.verdicts[case] is Verdict.SLOWER)) for gated in slower.values()]
    print_line(f"versions measured {peers}")
    print_line(f"bench-core gate: false alarms {own[0]}; 5% found {own[1]}; 3% found {own[2]}")
    for rule in RULES:
        tuned = float(np.quantile([largest(gate, rule.name) for gate in tuning], 0.99))
        for name, threshold in (("default", rule.default), ("tuned", tuned)):
            alarms = sum(largest(gate, rule.name) > threshold for gate in same)
            power = [
                found(gated, lambda gate, case: gate.scores[rule.name][case] > threshold)  # noqa: B023 - called here
                for gated in slower.values()
            ]
            print_line(
                f"{rule.name}, {name} ({threshold:.3g}): false alarms {shown(alarms, number)}; "
                f"5% found {shown(*power[0])}; 3% found {shown(*power[1])}"
            )


def cost(gated: Sequence[Gated]) -> str:
    """The medians of pairs and minutes, and the most minutes."""
    minutes = [gate.seconds / 60.0 for gate in gated]
    pairs = statistics.median(gate.pairs for gate in gated)
    return f"median {pairs:.0f} pairs, {statistics.median(minutes):.1f} min (at most {max(minutes):.1f})"


def largest(gate: Gated, rule: str) -> float:
    """The largest score of any case, in either direction."""
    return max(map(abs, gate.scores[rule].values()))
