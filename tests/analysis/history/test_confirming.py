"""Which regression is confirmed, and with which limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.verdicts import Limits, Rules, judge
from bench_core.analysis.history.confirming import regression, rules_to_confirm, rules_to_search
from bench_core.analysis.history.steps import find_steps
from bench_core.core.errors import OptionError
from bench_core.core.pairs import Figures, Pair
from bench_core.storage.values import BYTES, MEMORY
from tests.support.values import collected, noisy, origin, values

EARLY = values(noisy([(20, 1.0), (20, 1.1)]), "early")
LATE = values(noisy([(30, 1.0), (10, 1.2)], seed=1), "late")
CANDIDATE = values(noisy([(36, 1.0), (4, 1.3)], seed=2), "candidate")
RECOVERED = values(noisy([(20, 1.0), (15, 1.2), (20, 1.0)]), "recovered")
BIGGER = values(noisy([(38, 1e6), (12, 2e6)]), "bigger", metric=MEMORY, unit=BYTES)


def findings(*series):
    return find_steps(collected(*series))


class TestRegression:
    def test_it_is_the_newest_time_that_has_not_recovered(self):
        step = regression(findings(EARLY, LATE, RECOVERED, BIGGER))
        assert (step.series.id.case, step.previous, step.first) == ("late", origin(29), origin(30))

    def test_a_candidate_may_be_confirmed(self):
        assert regression(findings(LATE, CANDIDATE)).series.id.case == "candidate"

    def test_a_case_may_be_chosen(self):
        assert regression(findings(EARLY, LATE), "early").first == origin(20)

    @pytest.mark.parametrize(
        ("series", "case", "words"),
        [
            ([values(noisy([(30, 1.0)]))], None, "no regression of the time per call to confirm$"),
            ([RECOVERED], None, r"to confirm \(1 has recovered\)$"),
            ([BIGGER], None, "no regression of the time per call"),
            ([EARLY, values(noisy([(30, 1.0)]), "even")], "even", "no regression of the time per call of even"),
            ([EARLY], "other", "--case other: no such case"),
        ],
    )
    def test_without_one_it_is_refused(self, series, case, words):
        with pytest.raises(OptionError, match=words):
            regression(findings(*series), case)


def verdict(rules, ratio, pairs=40, memory=(1, 1)):
    """The verdict on pairs that all have this ratio of times."""
    same = [Pair(Figures((1.0,) * 2, memory[0]), Figures((ratio,) * 2, memory[1]))] * pairs
    (case,) = judge({"id": "case"}, {"id": same}, {}, rules)
    return case.verdict


ratios = st.floats(1.02, 20.0)


class TestLimits:
    @given(ratio=ratios, margin=st.floats(0.001, 0.5), further=st.floats(0.001, 0.5))
    def test_those_of_the_project_hold_unless_the_step_is_smaller(self, ratio, margin, further):
        own = Limits(margin, margin + further)
        rules = rules_to_confirm(Rules(own, {"*x*": own}), ratio)
        for limits in (rules.default, rules.of("axb")):
            assert 0.0 < limits.margin < limits.matters
            assert limits.margin == pytest.approx(min(own.margin, (ratio - 1.0) / 4))
            assert limits.matters == pytest.approx(min(own.matters, 3 * (ratio - 1.0) / 4))

    @settings(max_examples=25)
    @given(ratio=ratios)
    def test_a_change_as_large_as_the_step_is_slower_and_none_is_the_same(self, ratio):
        for rules in (rules_to_confirm(Rules(), ratio), rules_to_search(ratio)):
            assert verdict(rules, ratio, pairs=30) is Verdict.SLOWER
            assert verdict(rules, 1.0, pairs=30) is Verdict.SAME

    @settings(max_examples=25)
    @given(ratio=st.floats(1.2, 20.0), share=st.floats(0.0, 0.2) | st.floats(0.8, 1.0))
    def test_the_search_tells_most_of_the_change_from_little_of_it(self, ratio, share):
        expected = Verdict.SLOWER if share > 0.5 else Verdict.SAME
        assert verdict(rules_to_search(ratio), 1.0 + share * (ratio - 1.0), pairs=30) is expected

    def test_memory_is_not_judged(self):
        assert verdict(rules_to_search(1.5), 1.0, memory=(1, 10**12)) is Verdict.SAME
        assert verdict(rules_to_confirm(Rules(), 1.5), 1.0, memory=(1, 10**12)) is Verdict.SAME
