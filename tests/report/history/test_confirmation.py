"""What is said while a regression is confirmed and its commit is searched."""

import pytest

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.history.search import Search
from bench_core.analysis.history.steps import find_steps
from bench_core.core import text
from bench_core.report.history import confirmation
from bench_core.storage.folder import Commit
from bench_core.storage.values import SeriesId
from tests.report.gate.test_forms import case, missing
from tests.support.values import collected, noisy, values

COMMITS = [Commit(f"{i:x}" * 40, "2026-01-02T03:04:05+01:00", f"Change {i}") for i in range(1, 16)]


def step():
    series = values(noisy([(20, 1.0), (20, 1.1)]), "work")
    (found,) = find_steps(collected(series)).regressions
    return found


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (case("work", 1.08, Verdict.SLOWER), "Confirmed on this machine: work is slower in 0020cccccc than in 0019"),
        (case("work", 1.0, Verdict.SAME), "Not confirmed on this machine (SAME): work from 0019cccccc to 0020"),
        (case("work", 0.9, Verdict.FASTER), "Not confirmed on this machine (FASTER): work from 0019"),
        (case("work", 1.0, Verdict.UNCLEAR), "Unclear: the time was spent"),
        (missing("work"), "Unclear: work could not be measured at both commits."),
    ],
)
def test_the_conclusion_is_a_sentence(verdict, words):
    assert confirmation.conclusion(step(), verdict, width=1000).startswith(words)


def test_a_conclusion_has_the_change_here_and_the_one_in_the_history():
    words = confirmation.conclusion(step(), case("work", 1.08, Verdict.SLOWER))
    in_history = text.change(step().point.ratio)
    assert " ".join(words.split()).endswith(f": +8.0% (+6.9% to +9.1%); the history says {in_history}.")
    assert max(map(len, words.splitlines())) <= 80


def test_another_machine_or_software_is_named_and_unknown_ones_are_not():
    series = SeriesId("work", machine="theirs", software="torch 1")
    assert confirmation.elsewhere(series, "theirs", "torch 1") == ""
    assert confirmation.elsewhere(SeriesId("work"), "ours", "torch 2") == ""
    assert confirmation.elsewhere(series, "ours", "torch 1") == "measured elsewhere: machine was theirs; here: ours"
    assert "software was torch 1; here: torch 2" in confirmation.elsewhere(series, "theirs", "torch 2")


def test_a_line_of_the_search_keeps_to_the_width_and_says_why_there_is_no_verdict():
    commit = Commit("a" * 40, "2026-01-02", "A long subject " * 9)
    line = confirmation.tried(commit, case("work", 1.08, Verdict.SLOWER), 61.0)
    assert line.startswith("SLOWER   aaaaaaaaaa  +8.0%   1 min 1 s left")
    assert len(line) <= 80
    first, *rest = confirmation.tried(commit, missing("work"), -1.0).splitlines()
    assert first.startswith("MISSING  aaaaaaaaaa  –       0 s left")
    assert " ".join(" ".join(rest).split()) == "head failed: RuntimeError: no"


class TestFound:
    def search(self, **verdicts):
        search = Search([commit.hexsha for commit in COMMITS])
        for place, verdict in verdicts.items():
            search = search.after(COMMITS[int(place[1:])].hexsha, verdict)
        return search

    def test_the_commit(self):
        search = self.search(c6=Verdict.SAME, c7=Verdict.SLOWER)
        words = confirmation.found(search, COMMITS, interrupted=False)
        assert words.splitlines() == [
            f"First slower commit: {COMMITS[7].hexsha}",
            "         2026-01-02T03:04:05+01:00",
            "         Change 8",
        ]

    @pytest.mark.parametrize(
        ("verdicts", "interrupted", "words"),
        [
            ({"c4": Verdict.SAME, "c6": Verdict.SLOWER, "c5": Verdict.MISSING}, False, "2 commits; those between"),
            ({"c4": Verdict.SAME, "c6": Verdict.SLOWER}, False, "2 commits; the time was spent (--budget)"),
            ({"c4": Verdict.SAME, "c6": Verdict.SLOWER, "c5": Verdict.UNCLEAR}, False, "2 commits; the time was spent"),
            ({"c4": Verdict.SAME, "c6": Verdict.SLOWER}, True, "2 commits; the search was interrupted"),
        ],
    )
    def test_or_the_commits_that_are_left_and_why(self, verdicts, interrupted, words):
        lines = confirmation.found(self.search(**verdicts), COMMITS, interrupted).splitlines()
        assert words in lines[0]
        assert [line.split()[0] for line in lines[1:]] == ["6" * 10, "7" * 10]

    def test_of_many_the_first_ones(self):
        lines = confirmation.found(self.search(), COMMITS, interrupted=False).splitlines()
        assert len(lines) == 12
        assert lines[-1].strip() == f"... and 5 more, up to {COMMITS[-1].hexsha[:10]}"
