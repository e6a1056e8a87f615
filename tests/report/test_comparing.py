"""The comparison of two runs as text, Markdown and JSON."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench_core.analysis.run_comparison import compare_two
from bench_core.core.case import Case
from bench_core.core.markdown import LIMIT, code
from bench_core.core.records import NotRun, Outcome
from bench_core.core.results import Flag, FlagCode
from bench_core.report.comparing import NamedComparison, as_json, as_markdown, as_text
from bench_core.report.comparing.data import as_data
from bench_core.storage.naming import Named
from tests.support import factory

DOCS = (Path(__file__).parents[2] / "docs/compare.md").read_text(encoding="utf-8")
LATER = "2026-05-05T00:00:00+00:00"
FACTORS = {"same": 1.0, "fast": 0.5, "slow": 1.5, "slower": 2.0}


def record(name, seconds=1e-3, **changes):
    timing = factory.timing(seconds, spread=0.001)
    return factory.record(Case(name, batch_size=8), timing=timing, **changes)


def named(base, head, limit=None, how=""):
    """These records of two runs, compared."""
    runs = factory.run(base), factory.run(head, started=LATER)
    names = (Named("base.json", Path("base.json")), Named("HEAD", Path("results/m/0001_head.json"), how))
    return NamedComparison(compare_two(*runs, limit), *names)


def typical(limit=0.6):
    """Every verdict, a doubt, and cases of one run only."""
    doubt = Flag(FlagCode.NOT_STEADY, "not steady: the time ran out")
    base = [*(record(name) for name in FACTORS), record("doubtful"), *(record(f"gone{i}") for i in range(5))]
    head = [record(name, factor * 1e-3) for name, factor in FACTORS.items()]
    return named(base, [*head, record("doubtful", 1e-2, flags=(doubt,)), record("new")], limit, "the newest of 2 runs")


def many(count):
    """Many cases, half of them FASTER and half of them the SAME."""
    cases = [record(f"workload_with_a_long_name_{i:05d}") for i in range(count)]
    head = [record(r.case.workload, 0.5e-3) if i % 2 else r for i, r in enumerate(cases)]
    return named(cases, head)


class TestText:
    def test_table_has_a_row_of_every_common_case_the_slowest_first(self):
        lines = as_text(typical(), width=120).splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("Verdict"))
        rows = [line.split() for line in lines[start + 1 : start + 7]]
        assert [row[:2] for row in rows if row[0] != "not"] == [
            ["SLOWER", "slower-cpu-b8-fp32-eager"],
            ["SLOWER", "slow-cpu-b8-fp32-eager"],
            ["UNCLEAR", "doubtful-cpu-b8-fp32-eager"],
            ["FASTER", "fast-cpu-b8-fp32-eager"],
            ["SAME", "same-cpu-b8-fp32-eager"],
        ]
        assert rows[0][2:7] == ["1.00", "ms", "2.00", "ms", "0.500"]

    def test_what_only_one_run_has_is_counted_and_the_first_are_named(self):
        words = as_text(typical(), width=200)
        assert "Only in base: 5 cases (gone0-cpu-b8-fp32-eager, gone1-" in words
        assert "gone2-cpu-b8-fp32-eager, ...)" in words
        assert "gone3" not in words
        assert "Only in head: 1 case (new-cpu-b8-fp32-eager)" in words

    def test_reason_verdict_counts_and_limit_are_said(self):
        words = " ".join(as_text(typical(), width=80).split())
        for sentence in (
            "Ratio: time in base / time in head; above 1 head is FASTER. [95% CI]",
            "not judged: head not steady at the end of warm-up",
            "2 SLOWER, 1 UNCLEAR, 1 FASTER, 1 SAME",
            "More than 60% slower by the entire interval: 1 case (slower-cpu-b8-fp32-eager)",
            "The comparison is descriptive, not a significance test",
            "with results/m/0001_head.json (HEAD: the newest of 2 runs)",
        ):
            assert sentence in words

    @pytest.mark.parametrize("width", [80, 120])
    @pytest.mark.parametrize("longest", [4, 35])
    def test_no_line_is_wider_than_the_terminal(self, width, longest):
        cases = [record("w" * longest + str(i), flags=(Flag(FlagCode.CONTENTION, "x"),)) for i in range(3)]
        lines = as_text(named(cases, cases, 0.1), width).splitlines()
        assert max(map(len, lines)) <= width

    def test_narrow_terminal_has_two_lines_for_each_case(self):
        lines = as_text(many(2), width=70).splitlines()
        assert "         1.00 ms -> 500 µs   ratio 2.000 [" in "\n".join(lines)

    def test_without_a_limit_and_without_resolved_names_nothing_is_said_of_them(self):
        words = as_text(named([record("a")], [record("a")]))
        assert "Comparing" not in words
        assert "More than" not in words

    def test_terminal_is_not_controlled_by_what_a_file_contains(self):
        cases = [record("w\x1b[2J", data="d\x1b[31m"), record("gone\x07")]
        words = as_text(named(cases, [record("w\x1b[2J", data="e\x9b")]))
        assert all(character.isprintable() for character in words.replace("\n", ""))

    def test_notes_skipped_and_failed_cases_are_listed_up_to_ten(self):
        cases = [record(f"w{i:02}") for i in range(20)]
        broken = [NotRun(r.case.id, Outcome.FAILED, "it broke") for r in cases[5:]]
        base = factory.run(cases, partial=True)
        head = factory.run(cases[:5], factory.machine(torch="3.0"), LATER, broken, ("a record",))
        names = Named("a", Path("a"), "", ("a file",)), Named("b", Path("b"))
        lines = as_text(NamedComparison(compare_two(base, head), *names), width=120).splitlines()
        assert "Note: torch 2.11.0 against 3.0" in lines
        assert "Note: base is partial: it was stopped early" in lines
        assert [line for line in lines if line.startswith("Skipped")] == ["Skipped: a file", "Skipped: a record"]
        assert sum("failed: it broke" in line for line in lines) == 10
        assert "... and 5 more without a figure in head" in lines


class TestMarkdown:
    def test_table_has_a_row_of_every_common_case_and_folds_the_same(self):
        page = as_markdown(typical())
        rows = [line for line in page.splitlines() if re.match(r"\| [A-Z]+ \|", line)]
        assert [row.split("`")[1].partition("-")[0] for row in rows] == ["slower", "slow", "doubtful", "fast", "same"]
        assert "| above 60% |" in rows[0]
        assert "`not judged: head not steady at the end of warm-up`" in rows[2]
        assert page.index("<details>") < page.index("`same-") < page.index("</details>")
        assert {row.count(" | ") for row in rows} == {6}

    def test_small_page_leaves_nothing_out(self):
        assert "left out" not in as_markdown(typical())

    def test_page_fits_into_a_comment_on_github(self):
        page = as_markdown(many(700))
        assert 0.99 * LIMIT < len(page) <= LIMIT == 65_536
        assert "a comment on GitHub has at most 65,536 characters" in page

    @pytest.mark.parametrize(("limit", "words"), [(6000, "{} FASTER, 50 SAME"), (10_000, "{} SAME")])
    def test_rows_that_are_cut_are_the_last_and_are_counted(self, limit, words):
        page = as_markdown(many(100), limit)
        assert len(page) <= limit
        shown = len(re.findall(r"^\| (?:FASTER|SAME) \|", page, re.MULTILINE))
        first = 50 - shown if "FASTER" in words else 100 - shown
        assert f"{100 - shown} rows are left out ({words.format(first)})" in page

    def test_page_fits_whatever_the_length_of_names_and_notes(self):
        base = [record("w" * 500 + str(i), data=f"{i}" * 500) for i in range(300)]
        head = [replace(r, data="other") for r in base]
        assert len(as_markdown(named([*base, record("x" * 9999)], head, 0.1))) <= LIMIT

    @pytest.mark.parametrize(
        "words", ["a|b", "`x` <script>", "@someone", "[link](http://x)", "a\nb\r\n# c", "", "``", "x" * 500]
    )
    def test_words_of_a_file_are_code_in_one_cell(self, words):
        quoted = code(words)
        assert re.fullmatch(r"`[^`|\n\r]+`", quoted)
        assert len(quoted) <= 162


class TestJson:
    def test_fields_are_those_that_the_documentation_describes(self):
        data = as_data(typical())
        described = [set(re.findall(r"`(\w+)`", line.split("|")[1])) for line in DOCS.splitlines() if "|" in line]
        documented = set().union(*described)
        (case, *_), run = data["cases"], data["base"]
        for fields in (data, case, run):
            assert fields.keys() <= documented
        figures = next(line for line in DOCS.splitlines() if line.startswith("| `base`, `head` | the two figures"))
        assert case["base"].keys() | {"code", "text", "base", "head", "null"} == set(re.findall(r"`(\w+)`", figures))

    def test_text_is_json_of_plain_values(self):
        data = json.loads(as_json(typical()))
        assert (data["schema"], data["tolerance"], data["fail_above"]) == (1, 0.05, 0.6)
        assert data["counts"] == {"SLOWER": 2, "UNCLEAR": 1, "FASTER": 1, "SAME": 1}
        assert data["above_limit"] == ["slower-cpu-b8-fp32-eager"]
        assert [case["case"].partition("-")[0] for case in data["only_in_base"]] == [f"gone{i}" for i in range(5)]
        assert data["only_in_head"] == [{"case": "new-cpu-b8-fp32-eager"} | asdict(Case("new", batch_size=8))]
        assert (data["head"]["name"], data["head"]["path"]) == ("HEAD", str(Path("results/m/0001_head.json")))

    def test_case_has_both_figures_and_its_reason(self):
        slower, _, doubtful, *_ = as_data(typical())["cases"]
        assert (slower["verdict"], slower["reason"], slower["above_limit"]) == ("SLOWER", None, True)
        assert slower["head"]["seconds"] / slower["base"]["seconds"] == pytest.approx(1 / slower["ratio"])
        assert slower["interval"][0] <= slower["ratio"] <= slower["interval"][1]
        assert (doubtful["verdict"], doubtful["above_limit"]) == ("UNCLEAR", False)
        assert doubtful["reason"] == "not judged: head not steady at the end of warm-up"
        assert doubtful["head"]["flags"] == [{"code": "not_steady", "text": "not steady: the time ran out"}]
