"""The gate on recorded pairs of identical code: false alarms, and changes of known size that are found."""

from collections.abc import Callable

import pytest
from gate_resampled import RECORDED, gates, share
from rates import shown

from bench_core.analysis.comparison import Verdict

PrintLine = Callable[[str], None]
CLAIMS = (Verdict.SLOWER, Verdict.FASTER)

pytestmark = pytest.mark.skipif(not RECORDED, reason="no recorded pairs; benchmarks/proofs/gate_pairs.py makes them")


def test_false_alarms(print_line: PrintLine) -> None:
    made = gates(1.0, 0, 2000)
    alarms = sum(any(verdict in CLAIMS for verdict in verdicts.values()) for verdicts, _ in made)
    same = sum(verdict is Verdict.SAME for verdicts, _ in made for verdict in verdicts.values())
    cases = sum(len(verdicts) for verdicts, _ in made)
    print_line(f"gates of identical code with a false alarm: {shown(alarms, len(made))}; SAME: {shown(same, cases)}")
    assert alarms / len(made) <= 0.015


@pytest.mark.parametrize(("factor", "least"), [(1.05, 0.9), (1.03, 0.6), (1 / 1.05, 0.9), (1 / 1.03, 0.6)])
def test_power(factor: float, least: float, print_line: PrintLine) -> None:
    made = gates(factor, 3, 500)
    wanted = Verdict.SLOWER if factor > 1.0 else Verdict.FASTER
    found, count = share(made, lambda verdict: verdict is wanted)
    wrong = sum(verdicts[case] in CLAIMS for verdicts, changed in made for case in verdicts.keys() - set(changed))
    print_line(
        f"3 of the cases take {factor:.3f} times as long: {wanted} {shown(found, count)}; others: {wrong} claims"
    )
    assert found / count >= least
