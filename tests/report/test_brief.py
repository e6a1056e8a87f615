"""The short form for a pull request: the verdict, one table, what is notable, and where the rest is."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.core.case import Case
from bench_core.core.markdown import LIMIT, plain
from bench_core.core.records import NotRun, Outcome
from bench_core.core.results import Flag, FlagCode
from bench_core.report.content import analyze, content
from bench_core.report.page.page import markdown
from tests.report.test_causes import BUSY_WITH_BYTES, BUSY_WITH_CALLS, ON_CPU
from tests.support import factory
from tests.support.pages import shown

HOSTILE = "a|b <script>alert(1)</script> [x](http://evil) @everyone #1 `c` *d*\nnew"
SLOW = {"cuda": factory.Cost(10.0, 1.0)}


def report_of(*runs):
    return content(analyze(runs))


def rows(page):
    return [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("|")]


def test_it_has_verdict_table_and_where_the_rest_is_but_not_the_whole_page():
    report = report_of(factory.run([*factory.sweep(), *factory.sweep("gan_step")], ladder=factory.ladder()))
    page = markdown(report)
    assert page.startswith("# Is the GPU worth it?")
    assert "gan_step: The GPU is worth it from batch size 64 on." in page
    heading, _, *cells = rows(page)
    assert [cell.strip() for cell in heading] == [
        "Workload", "Worth it?", "Crossover batch", "Largest R (CI)", "At batch size",
    ]  # fmt: skip
    assert [row[0].strip() for row in cells] == ["gan_step", "mlp_train"]
    assert page.count("|---") + page.count("| ---") == len(heading), "there is one table"
    assert "The full report is `index.html`" in page
    for absent in ("How to read this", "All results", "What naive timing", "plots/"):
        assert absent not in page
    assert len(page) < 2500


def test_a_pull_request_with_many_workloads_has_a_folded_table():
    page = markdown(report_of(factory.large_run(workloads=20)))
    assert "<details><summary>CPU against GPU, matched: machine A (20 rows)</summary>\n\n| Workload" in page
    assert page.count("</details>") == 1
    assert len(rows(page)) == 22


def test_without_a_gpu_the_table_has_causes_and_bounds():
    run = factory.run([*BUSY_WITH_BYTES, *BUSY_WITH_CALLS], ON_CPU, ceilings=factory.ceilings(("cpu",)))
    page = markdown(report_of(run))
    heading, _, *cells = ([cell.strip() for cell in row] for row in rows(page))
    assert heading[-3:] == ["Bound by", "Share of ceiling", "H100 SXM at most"]
    assert [row[heading.index("Bound by")] for row in cells] == ["bandwidth", "host"]
    assert "No GPU can be faster, by an upper bound: calls." in page
    assert "**No GPU was measured**" in page


def flagged(name, code):
    return factory.record(Case(name, batch_size=8), flags=(Flag(code, "why"),))


def test_what_is_notable_comes_from_the_results():
    late = factory.record(Case("w3", batch_size=8))
    run = factory.run(
        [
            *factory.sweep("good", one_thread_at=None),
            *factory.sweep("bad", one_thread_at=None, costs=SLOW),
            flagged("w1", FlagCode.TWO_MODES),
            flagged("w2", FlagCode.STAGES_DO_NOT_ADD_UP),
            factory.contended(factory.record(Case("w4", batch_size=8))),
            replace(late, timing=replace(late.timing, met_target=False)),
        ],
        not_run=[NotRun("x", Outcome.FAILED, "a reason"), NotRun("y", Outcome.SKIPPED, "another")],
    )
    report = report_of(run)
    assert report.notable[:4] == (
        "1 case or study failed, the first is x (a reason).",
        "Without a result: 1 skipped. The page's section 'What was not run' has the reasons.",
        report.notable[2],
        "The GPU is not faster at any batch size measured: bad.",
    )
    assert report.notable[2].startswith("The largest speedup is 26")
    assert report.notable[2].endswith("×: good at batch size 4,096.")
    assert report.notable[4:7] == (
        "Measured beside other work, so that no verdict rests on them: 1 of 24 cases (w4-cpu-b8-fp32-eager).",
        "1 case has samples in two groups, so one median does not describe them: w1-cpu-b8-fp32-eager.",
        "1 case has stages that do not add up to the whole call: w2-cpu-b8-fp32-eager.",
    )
    assert report.notable[7].startswith("The time limit came before the target of the confidence interval in ")
    assert all(line in shown(report) for line in report.notable)


def test_many_names_are_not_all_listed():
    run = factory.run([flagged(f"w{i}", FlagCode.TWO_MODES) for i in range(9)], ON_CPU)
    (line,) = (line for line in report_of(run).notable if "two groups" in line)
    assert line.startswith("9 cases have samples")
    assert line.endswith("w2-cpu-b8-fp32-eager and 6 more.")


def test_nothing_stored_can_break_it():
    case = Case(HOSTILE, setting=HOSTILE)
    records = factory.sweep(HOSTILE, case=case, unit=HOSTILE, data=HOSTILE, flags=(Flag(HOSTILE, HOSTILE),))
    run = factory.run(
        records, factory.machine(cpu=HOSTILE), not_run=[NotRun(HOSTILE, Outcome.FAILED, HOSTILE)], partial=True
    )
    page = markdown(report_of(run))
    assert "<script" not in re.sub(r"\\<", "", page)
    assert "http://" not in page
    assert "@everyone" not in page
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in page.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_rows_that_a_comment_has_no_room_for_are_left_out_and_counted():
    report = report_of(factory.large_run(workloads=10))
    short = markdown(report, limit=len(markdown(report)) - 1)
    assert len(rows(short)) == 11
    assert "1 row is left out." in short
    assert len(markdown(report)) < LIMIT


@pytest.mark.parametrize("words", ["mlp_train", "26.1× (25.9 to 26.3)", "CPU, 16 threads", "A: x (2 cores), no GPU."])
def test_usual_words_stay_as_they_are(words):
    assert plain(words) == words


@given(st.text())
def test_plain_words_have_no_markup_no_mention_and_one_line(words):
    shown = plain(words)
    assert "\n" not in shown
    assert not re.search(r"@\w|://|#\d|www\.", shown, re.IGNORECASE)
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`*\[\]]", shown)
    assert not re.search(r"(?<!\w)(?<!\\)_", shown)
