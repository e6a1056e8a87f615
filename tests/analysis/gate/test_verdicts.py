"""Verdicts on cases whose times are known."""

import math

import numpy as np
import pytest

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.forecast import pairs_left
from bench_core.analysis.gate.ratio import log_ratio
from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import Limits, Rules, decided, judge
from bench_core.core.pairs import Ending, Figures, Pair, Trouble

MEBI = 2**20


def pairs(ratio, count, spread=0.0, memory=(None, None), seed=0, blocks=10):
    """Pairs whose processes differ by this ratio and spread; within a process, blocks differ by up to 4%."""
    draw = np.random.default_rng(seed)

    def figures(seconds, bytes_):
        times = seconds * math.exp(draw.normal(0.0, spread / math.sqrt(2))) * (1.0 + 0.04 * draw.random(blocks) ** 3)
        return Figures(tuple(times), bytes_)

    return [Pair(figures(1e-3, memory[0]), figures(1e-3 * ratio, memory[1])) for _ in range(count)]


def verdicts(rules=None, troubles=None, **cases):
    return {
        case.id: case
        for case in judge({name: f"case {name}" for name in cases}, cases, troubles or {}, rules or Rules())
    }


def settled(**cases):
    return decided({name: f"case {name}" for name in cases}, cases, {}, Rules())


def test_slower_faster_and_same():
    made = verdicts(
        slower=pairs(1.05, 20, 0.01),
        faster=pairs(1 / 1.05, 20, 0.01, seed=1),
        same=pairs(1.0, 20, 0.01, seed=2),
    )
    assert [case.verdict for case in made.values()] == [Verdict.SLOWER, Verdict.FASTER, Verdict.SAME]
    assert made["slower"].time.ratio == pytest.approx(1.05, rel=0.01)
    low, high = made["slower"].time.interval
    assert 1.01 < low < made["slower"].time.ratio < high
    assert made["slower"].time.base == pytest.approx(1e-3 * (1.0 + 0.04 * 0.5**3), rel=0.02)
    assert settled(slower=pairs(1.05, 20, 0.01), same=pairs(1.0, 20, 0.01), few=pairs(1.0, 3)) == {"slower", "same"}


def test_few_or_noisy_pairs_are_unclear_with_the_change_that_could_be_missed():
    made = verdicts(few=pairs(1.05, 4), noisy=pairs(1.0, 20, 0.15))
    assert {case.verdict for case in made.values()} == {Verdict.UNCLEAR}
    assert made["few"].time.visible == math.inf
    assert 0.03 < made["noisy"].time.visible < 0.5


def test_the_more_cases_the_more_evidence_is_needed():
    alone = verdicts(slow=pairs(1.05, 12))
    among = verdicts(slow=pairs(1.05, 12), **{f"same{i}": pairs(1.0, 12) for i in range(200)})
    assert alone["slow"].verdict is Verdict.SLOWER
    assert among["slow"].verdict is Verdict.UNCLEAR


def test_after_one_rejection_less_evidence_is_needed_for_the_next():
    """Holm: with two cases, the second of two slow ones needs the evidence of one alone."""
    enough = next(n for n in range(30) if verdicts(a=pairs(1.05, n))["a"].verdict is Verdict.SLOWER)
    assert verdicts(a=pairs(1.05, 30), b=pairs(1.05, enough))["b"].verdict is Verdict.SLOWER
    assert verdicts(a=pairs(1.0, 30), b=pairs(1.05, enough))["b"].verdict is Verdict.UNCLEAR


def test_limits_of_a_case_are_those_of_the_first_pattern_that_fits():
    rules = Rules(cases={"noisy*": Limits(0.10, 0.15), "*": Limits(0.001, 0.02)})
    made = verdicts(rules, noisy_one=pairs(1.05, 30, 0.005), other=pairs(1.05, 30, 0.005))
    assert made["noisy_one"].verdict is Verdict.SAME
    assert made["other"].verdict is Verdict.SLOWER
    assert rules.of("x", "noisy_1").margin == 0.10


def test_memory_that_surely_grew_makes_a_case_slower():
    same = pairs(1.0, 30, 0.005, (100 * MEBI, 100 * MEBI))
    more = pairs(1.0, 30, 0.005, (100 * MEBI, 130 * MEBI))
    little = pairs(1.0, 30, 0.005, (0, MEBI // 2))
    unknown = pairs(1.0, 30, 0.005, (100 * MEBI, None))
    made = verdicts(same=same, more=more, little=little, unknown=unknown)
    assert [case.verdict for case in made.values()] == [Verdict.SAME, Verdict.SLOWER, Verdict.SAME, Verdict.SAME]
    assert made["more"].time.verdict is Verdict.SAME
    assert made["more"].memory.verdict is Verdict.SLOWER
    assert made["unknown"].memory is None


def test_a_case_whose_memory_may_have_grown_is_measured_until_that_is_clear():
    more = pairs(1.0, 30, 0.005, (100 * MEBI, 130 * MEBI))
    noisy = [*pairs(1.0, 4, 0.005, (100 * MEBI, 130 * MEBI)), *pairs(1.0, 4, 0.005, (130 * MEBI, 100 * MEBI))]
    assert verdicts(more=more[:8])["more"].time.verdict is Verdict.SAME
    assert settled(more=more[:8]) == set()
    assert settled(more=more) == {"more"}
    assert settled(noisy=noisy) == {"noisy"}


def test_a_case_with_trouble_or_without_a_pair_is_missing():
    made = verdicts(None, {"bad": Trouble("head", Ending.FAILED, "why")}, bad=pairs(1.0, 3), never=[])
    assert {case.verdict for case in made.values()} == {Verdict.MISSING}
    assert made["bad"].trouble.reason == "why"


def test_turns_in_which_other_work_slowed_one_side_do_not_count():
    disturbed = [
        Pair(p.base, Figures((*(9 * t for t in p.head.times[:4]), *p.head.times[4:])))
        for p in pairs(1.0, 20, 0.005, seed=1)
    ]
    assert verdicts(busy=disturbed)["busy"].time.ratio == pytest.approx(1.0, abs=0.02)


class TestFalseAlarms:
    def test_gates_of_identical_code_seldom_claim_anything(self):
        """Six cases of every spread, some with outliers, looked at after every third pair."""
        claims, gates = 0, 100
        for seed in range(gates):
            cases = {f"c{i}": pairs(1.0, 24, 0.01 * 3**i, seed=100 * seed + i, blocks=4) for i in range(4)}
            looks = [verdicts(**{name: values[:n] for name, values in cases.items()}) for n in (12, 18, 24)]
            claims += any(case.verdict in (Verdict.SLOWER, Verdict.FASTER) for look in looks for case in look.values())
        assert claims / gates <= 0.02


class TestResult:
    def result(self, **cases):
        made = verdicts(None, {"bad": Trouble("head", Ending.FAILED, "why")} if "bad" in cases else {}, **cases)
        return GateResult("a", "b", "m", tuple(made.values()), 20, 60.0, 480.0)

    def test_exit_codes(self):
        same, slow, unclear = pairs(1.0, 20, 0.005), pairs(1.1, 20), pairs(1.0, 3)
        assert self.result(same=same).exit_code == 0
        assert self.result(faster=pairs(0.9, 20), same=same).exit_code == 0
        assert self.result(same=same, unclear=unclear).exit_code == 3
        assert self.result(same=same, bad=[]).exit_code == 3
        assert self.result(bad=[], unclear=unclear, slow=slow).exit_code == 1

    def test_the_largest_slowdown_comes_first(self):
        result = self.result(same=pairs(1.0, 20), little=pairs(1.05, 20), much=pairs(1.2, 20), unclear=pairs(1.0, 2))
        assert [case.id for case in result.ordered] == ["much", "little", "unclear", "same"]
        assert list(result.counts) == [Verdict.SLOWER, Verdict.UNCLEAR, Verdict.SAME]


def test_forecast_of_pairs_is_about_right_and_open_where_nothing_is_learned():
    after = {n: list(verdicts(a=pairs(1.05, n, 0.005)).values()) for n in (6, 12, 20)}
    needed = next(n for n in range(6, 30) if verdicts(a=pairs(1.05, n, 0.005))["a"].verdict is Verdict.SLOWER)
    assert 6 + pairs_left(after[6]) == pytest.approx(needed, abs=3)
    assert pairs_left(after[20]) == 0.0
    apart = [*pairs(1.2, 5), *pairs(1 / 1.2, 5)]
    assert pairs_left(list(verdicts(a=apart).values())) == math.inf


def test_a_case_that_is_slower_is_decided_though_its_memory_is_under_suspicion():
    slow, same = (pairs(ratio, 12, memory=(100 * MEBI, 122 * MEBI))[:10] for ratio in (1.3, 1.0))
    assert verdicts(case=slow)["case"].memory.verdict is Verdict.UNCLEAR
    assert settled(case=slow) == {"case"}
    assert settled(case=same) == set()


def test_the_ratio_of_a_pair_is_that_of_its_turns_whatever_the_speed_of_the_machine():
    speeds = np.repeat([1.0, 1.1, 1.2, 2.0, 1.3], 2)
    base, head = Figures(tuple(speeds)), Figures(tuple(1.05 * speeds * np.repeat([1, 1, 1, 1, 9], 2)))
    assert log_ratio(Pair(base, head)) == pytest.approx(math.log(1.05))
    assert log_ratio(Pair(head, base)) == pytest.approx(-math.log(1.05))
