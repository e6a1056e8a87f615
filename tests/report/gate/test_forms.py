"""What a gate's result looks like: text, Markdown, annotations, JUnit XML, JSON."""

import json
import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import CaseVerdict, Change
from bench_core.core import text
from bench_core.core.errors import ReportError
from bench_core.core.markdown import LIMIT
from bench_core.core.pairs import Ending, Figures, Pair, Trouble
from bench_core.report.gate import files
from bench_core.report.gate.annotations import as_annotations
from bench_core.report.gate.data import as_json
from bench_core.report.gate.junit import as_junit
from bench_core.report.gate.markdown import as_markdown
from bench_core.report.gate.plain import as_text
from bench_core.report.gate.progress import progress

MEBI = 2**20


def change(ratio, verdict, low=None, high=None, base=1.25e-3, margin=0.01):
    ends = (low or ratio * 0.99, high or ratio * 1.01)
    return Change(verdict, ratio, ends, base, base * ratio, margin, progress=0.5)


def case(name, ratio, verdict, **options):
    return CaseVerdict(f"tests/test_a.py::{name}", name, 14, change(ratio, verdict, **options), None)


def missing(name, side="head", outcome=Ending.FAILED, reason="RuntimeError: no"):
    return CaseVerdict(f"tests/test_a.py::{name}", name, 0, None, None, Trouble(side, outcome, reason))


SLOWER = case("slow[64]", 1.052, Verdict.SLOWER)
UNCLEAR = case("noisy", 1.01, Verdict.UNCLEAR, low=0.97, high=1.06)
FASTER = case("fast", 0.5, Verdict.FASTER)
SAME = case("same", 1.0, Verdict.SAME)
MORE_MEMORY = CaseVerdict(
    "tests/test_a.py::big",
    "big",
    14,
    change(1.0, Verdict.SAME),
    change(1.3, Verdict.SLOWER, base=100.0 * MEBI),
)
LATE = CaseVerdict("tests/test_a.py::late", "late", 0, None, None)
CASES = (SAME, FASTER, missing("gone"), UNCLEAR, MORE_MEMORY, SLOWER, LATE)


def result(cases=CASES, **changes):
    values = {"base": "origin/main (1a2b3c4d5e)", "head": "the working tree", "machine": "a CPU (2 cores), no GPU"}
    return GateResult(cases=tuple(cases), pairs=14, seconds=151.0, budget=480.0, **values | changes)


class TestText:
    @pytest.mark.parametrize("width", [60, 80, 120])
    def test_it_has_the_worst_first_and_keeps_to_the_width(self, width):
        lines = as_text(result(machine="m"), width).splitlines()
        assert max(map(len, lines)) <= max(width, 72)
        firsts = [line.split()[0] for line in lines if line[:1].isupper() and not line.startswith("Change")]
        assert firsts[:7] == ["SLOWER", "SLOWER", "UNCLEAR", "MISSING", "MISSING", "FASTER", "SAME"]
        last = "2 SLOWER, 1 UNCLEAR, 2 MISSING, 1 FASTER, 1 SAME (14 pairs of processes, 2 min 31 s)"
        assert " ".join(lines).endswith(last)

    def test_a_case_has_its_change_interval_and_times(self):
        shown = as_text(result())
        assert "SLOWER   slow[64]\n         +5.2%   +4.1% to +6.3%   1.25 ms -> 1.31 ms   14 pairs" in shown
        assert "a change of up to 6.0% could have gone unnoticed" in shown
        assert "head failed: RuntimeError: no" in shown
        assert "peak memory +30.0% (+28.7% to +31.3%), now 130 MiB" in shown
        assert "no time was left for it (--budget)" in shown

    def test_an_interrupted_gate_says_so(self):
        assert as_text(result(interrupted=True), 120).endswith("2 min 31 s, interrupted)\n")

    def test_open_intervals_have_question_marks(self):
        early = CaseVerdict("a", "a", 2, Change(Verdict.UNCLEAR, 1.1, (0.0, math.inf), 1.0, 1.1, 0.01, 0.1), None)
        shown = as_text(result([early]))
        assert "+10.0%  ? to ?" in shown
        assert "a change of any size could have gone unnoticed" in shown


class TestMarkdown:
    def test_it_is_a_table_with_the_same_cases_folded(self):
        page = as_markdown(result())
        assert page.startswith("### bench-core gate: 2 SLOWER, 1 UNCLEAR")
        assert "| SLOWER | `slow[64]` | +5.2% | +4.1% to +6.3% | 1.25 ms -> 1.31 ms | 14 |  |" in page
        assert page.index("<details>") < page.index("`same`") < page.index("</details>")
        assert page.index("`fast`") < page.index("<details>")

    def test_words_from_elsewhere_are_no_markup(self):
        page = as_markdown(result([missing("x`|@everyone<b>", reason="`|[a](b)")]))
        assert "`x'¦@everyone<b>`" in page
        assert "`head failed: '¦[a](b)`" in page

    def test_it_keeps_to_the_limit_and_counts_what_is_left_out(self):
        page = as_markdown(result([case(f"slow{i}", 2.0 - i / 10**4, Verdict.SLOWER) for i in range(3000)]))
        assert len(page) <= LIMIT
        assert "`slow0`" in page
        kept = page.count("| SLOWER |")
        assert f"{3000 - kept} rows are left out" in page


class TestAnnotations:
    def test_levels(self):
        lines = as_annotations(result()).splitlines()
        levels = [line.split()[0] for line in lines]
        assert levels == ["::error", "::error", "::notice", "::warning", "::warning", "::notice"]
        assert lines[0] == "::error file=tests/test_a.py,title=SLOWER%3A slow[64]::+5.2%25 (+4.1%25 to +6.3%25)"

    @given(st.text(), st.text())
    def test_any_words_make_one_line(self, name, reason):
        shown = as_annotations(result([missing(name, reason=reason)]))
        assert shown.count("\n") == 1
        assert "\r" not in shown


class TestJUnit:
    def test_slower_fails_and_gaps_are_skipped(self):
        suite = ElementTree.fromstring(as_junit(result()))
        assert suite.attrib["tests"] == "7"
        assert suite.attrib["failures"] == str(len(suite.findall("*/failure"))) == "2"
        assert suite.attrib["skipped"] == str(len(suite.findall("*/skipped"))) == "3"
        slow = suite.find("testcase[@name='slow[64]']")
        assert slow is not None
        assert slow.attrib["classname"] == "tests.test_a"
        assert float(slow.attrib["time"]) == pytest.approx(1.315e-3)
        failure = slow.find("failure")
        assert failure is not None
        assert failure.attrib["message"].startswith("SLOWER. +5.2%")

    @given(st.text(), st.text())
    def test_any_words_are_xml(self, name, reason):
        ElementTree.fromstring(as_junit(result([missing(name, reason=reason)])))


class TestJson:
    def test_it_has_everything(self):
        pair = Pair(Figures((1e-3, 2e-3), 5), Figures((3e-3,)))
        data = json.loads(as_json(result(), {SLOWER.id: [pair]}))
        assert data["schema"] == 1
        assert data["counts"] == {"SLOWER": 2, "UNCLEAR": 1, "MISSING": 2, "FASTER": 1, "SAME": 1}
        assert data["exit_code"] == 1
        by_name = {case["name"]: case for case in data["cases"]}
        assert by_name["slow[64]"]["time"]["ratio"] == 1.052
        assert by_name["slow[64]"]["pairs"] == [
            {"base": {"times": [1e-3, 2e-3], "memory": 5}, "head": {"times": [3e-3], "memory": None}}
        ]
        assert by_name["gone"]["trouble"] == {"side": "head", "outcome": "failed", "reason": "RuntimeError: no"}
        assert by_name["gone"]["time"] is None

    def test_an_open_interval_is_null(self):
        early = CaseVerdict("a", "a", 2, Change(Verdict.UNCLEAR, 1.1, (0.0, math.inf), 1.0, 1.1, 0.01, 0.1), None)
        (only,) = json.loads(as_json(result([early]), {}))["cases"]
        assert only["time"]["interval"] == [None, None]


class TestFiles:
    def test_a_file_is_checked_before_and_not_changed(self, tmp_path):
        old, new = tmp_path / "old", tmp_path / "new"
        old.write_text("kept")
        files.check_writable([old, new])
        assert old.read_text() == "kept"
        assert not new.exists()

    def test_what_cannot_be_written_is_refused(self, tmp_path):
        with pytest.raises(ReportError, match="cannot be written"):
            files.check_writable([tmp_path / "none" / "a"])
        with pytest.raises(ReportError, match="cannot be written"):
            files.write(tmp_path, "words")


def test_progress_counts_what_is_decided_and_the_time():
    line = progress(CASES, 14, 140.0, 480.0)
    assert line == "pair 14: 5 of 7 cases decided, 2 min 20 s spent, about 2 min 20 s left"
    assert progress((SAME, SLOWER), 14, 140.0, 480.0) == "pair 14: 2 of 2 cases decided"


def test_changes_are_short():
    assert list(map(text.change, (1.0, 1.052, 0.5, 12.0, math.inf, 0.0))) == [
        "+0.0%",
        "+5.2%",
        "-50.0%",
        "+1100%",
        "?",
        "?",
    ]
