"""The search for a commit: with truthful verdicts it finds the cause, in few gates."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.history.search import FAST, Search


@st.composite
def histories(draw, skips=True):
    """The number of commits after the fast one, the first slower one of them, and those that cannot be measured."""
    count = draw(st.integers(1, 300))
    skipped = draw(st.sets(st.integers(0, count - 1))) if skips else set()
    return count, draw(st.integers(0, count - 1)), skipped - {count - 1}


def searched(count, cause, skipped=frozenset(), fast=Verdict.SAME):
    """The search at its end, when all verdicts were true; and how many gates had one."""
    search, gates = Search([str(i) for i in range(count)]), 0
    while (commit := search.next()) is not None:
        assert commit not in search.verdicts
        place = int(commit)
        verdict = Verdict.MISSING if place in skipped else Verdict.SLOWER if place >= cause else fast
        gates += verdict is not Verdict.MISSING
        search = search.after(commit, verdict)
    return search, gates


@given(histories(skips=False), st.sampled_from(FAST))
def test_it_finds_the_cause_with_as_few_gates_as_halving_needs(history, fast):
    count, cause, _ = history
    search, gates = searched(count, cause, fast=fast)
    assert search.suspects == (str(cause),)
    assert gates <= math.ceil(math.log2(count)) == Search([str(i) for i in range(count)]).most_gates


@given(histories())
def test_commits_that_cannot_be_measured_are_stepped_past(history):
    count, cause, skipped = history
    search, gates = searched(count, cause, skipped)
    measured = [i for i in range(count) if i not in skipped]
    last_fast = max((i for i in measured if i < cause), default=-1)
    first_slower = min(i for i in measured if i >= cause)
    assert search.suspects == tuple(map(str, range(last_fast + 1, first_slower + 1)))
    assert gates <= math.ceil(math.log2(count))


@given(histories(), st.data())
def test_an_unclear_gate_ends_it_and_the_cause_is_among_what_is_left(history, data):
    count, cause, _ = history
    search = Search([str(i) for i in range(count)])
    for _ in range(data.draw(st.integers(0, 4))):
        commit = search.next()
        if commit is None:
            return
        search = search.after(commit, Verdict.SLOWER if int(commit) >= cause else Verdict.SAME)
    left, commit = search.suspects, search.next()
    if commit is not None:
        search = search.after(commit, Verdict.UNCLEAR)
        assert search.next() is None
        assert search.suspects == left
        assert str(cause) in left


@pytest.mark.parametrize(("count", "most"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10)])
def test_the_most_gates_are_known_before(count, most):
    assert Search([str(i) for i in range(count)]).most_gates == most
