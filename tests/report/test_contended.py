"""What was measured beside other work carries no verdict, and a reader sees it."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from bench_core.analysis.comparison import Verdict
from bench_core.core.case import Case
from bench_core.core.records import NotRun, Outcome, Record, Run
from bench_core.core.results import Flag, FlagCode
from bench_core.report import write
from bench_core.report.content import Content, analyze, content
from bench_core.report.tables.marks import FOOTNOTE, LEFT_OUT
from bench_core.report.tables.table import Table
from tests.support import factory
from tests.support.pages import shown, source

NO_GPU = factory.machine(gpu=False)


def content_of(*runs: Run) -> Content:
    return content(analyze(runs))


def at_batches(records: Iterable[Record], *batches: int, device: str = "cuda") -> list[Record]:
    """The records, of which those of a device at these batches are contended."""
    busy = [(r, r.case.device == device and r.case.batch_size in batches) for r in records]
    return [factory.contended(record) if is_busy else record for record, is_busy in busy]


def cells(table: Table | None) -> dict[str, tuple[object, ...]]:
    """The columns of a table by their headings."""
    assert table is not None
    return dict(zip(table.headings, zip(*table.rows, strict=True), strict=True))


class TestAnswers:
    def test_they_leave_contended_figures_out_and_say_how_many(self) -> None:
        report = content_of(factory.run(at_batches(factory.sweep(one_thread_at=None), 1, 4096)))
        (_, answer) = report.answers
        assert answer.startswith("mlp_train: The GPU is worth it from batch size 64 on. At its best the GPU is 8.")
        assert "at batch size 512." in answer
        assert answer.endswith("2 of 5 batch sizes are not judged: measured beside other work.")
        assert cells(report.summary)["Worth it?"] == ("Yes, from batch size 64 (2 not judged)",)

    def test_crossover_between_contended_batches_is_not_judged(self) -> None:
        report = content_of(factory.run(at_batches(factory.sweep(one_thread_at=None), 8, 64)))
        assert "Crossover not judged: R crosses 1 between batch sizes 1 and 512, and those between" in report.answers[1]
        assert cells(report.summary)["Crossover batch"] == ("not judged",)

    def test_every_batch_size_means_those_that_are_judged(self) -> None:
        records = at_batches(factory.sweep(batches=(64, 512, 4096), one_thread_at=None), 512)
        assert "The GPU is faster at every batch size judged." in content_of(factory.run(records)).answers[1]
        records = factory.sweep(batches=(64, 512, 4096), one_thread_at=None)
        assert "The GPU is faster at every batch size measured." in content_of(factory.run(records)).answers[1]

    def test_nothing_is_judged_where_nothing_else_is_left(self) -> None:
        report = content_of(factory.run([factory.contended(r) for r in factory.sweep()]))
        _, answer, threads = report.answers
        assert answer == "mlp_train: Not judged: at every batch size, one side or both were measured beside other work."
        assert threads == (
            "Whether all usable CPU cores are faster than one thread is not judged: 1 case was measured beside other "
            "work."
        )
        summary = cells(report.summary)
        assert summary["Worth it?"] == ("Not judged: measured beside other work",)
        assert summary["Crossover batch"] == ("not judged",)
        assert set(cells(report.best)["Verdict"]) == set(cells(report.threads)["Verdict"]) == {Verdict.UNCLEAR}

    def test_counts_of_many_workloads_have_the_contended_apart(self) -> None:
        run = factory.large_run(workloads=8)
        of_first = [r for r in run.records if r.case.workload == "workload_00_train"]
        records = [factory.contended(r) if r in of_first else r for r in run.records]
        counts = content_of(replace(run, records=tuple(records))).answers[0]
        assert "it is not judged for 1, measured beside other work" in counts
        assert "at every batch size judged for" in counts
        assert counts.endswith("In all, 5 of 40 batch sizes are not judged: measured beside other work.")

    def test_threads_are_judged_by_the_cases_that_are_not_contended(self) -> None:
        records = [*factory.sweep("v", ("cpu",)), *factory.sweep("w", ("cpu",))]
        records[-1] = factory.contended(records[-1])
        (answer,) = content_of(factory.run(records, NO_GPU)).answers
        assert answer == (
            "All usable CPU cores are faster than one thread in 1 of 1 case measured with both (1 more is not judged: "
            "measured beside other work)."
        )

    def test_highest_throughput_is_of_a_case_that_is_not_contended_if_there_is_one(self) -> None:
        records = at_batches(factory.sweep(devices=("cpu",), one_thread_at=None), 4096, device="cpu")
        report = content_of(factory.run(records, NO_GPU))
        assert cells(report.summary)["At batch size"] == ("512",)
        assert report.summary is not None
        assert FOOTNOTE not in report.summary.notes
        assert LEFT_OUT in report.summary.notes
        report = content_of(factory.run([factory.contended(r) for r in records], NO_GPU))
        assert cells(report.summary)["At batch size"] == ("4,096",)
        assert str(cells(report.summary)["Time per unit"][0]).endswith(" *")
        assert report.summary is not None
        assert FOOTNOTE in report.summary.notes


def test_tables_mark_contended_figures_and_explain_the_mark() -> None:
    records = at_batches(factory.sweep(one_thread_at=None), 8)
    tables = {t.caption.partition(":")[0]: t for t in content_of(factory.run(records)).families["synthetic"][0].tables}
    matched = cells(tables["Speedups, matched"])
    assert [str(cell).endswith(" *") for cell in matched["GPU time per image"]] == [False, True, False, False, False]
    assert not any(str(cell).endswith(" *") for cell in matched["CPU time per image"])
    assert matched["Notes"][1] == "not judged: GPU measured beside other work"
    assert matched["Verdict"][1] is Verdict.UNCLEAR
    results = cells(tables["All results"])
    assert [cell for cell in results["Device"] if str(cell).endswith(" *")] == ["GPU *"]
    for caption in ("Speedups, matched", "All results", "Cold start and latency"):
        assert tables[caption].notes[-1] == FOOTNOTE


def test_tables_without_contended_figures_have_no_footnote() -> None:
    words = shown(content_of(factory.run()))
    assert FOOTNOTE not in words
    assert LEFT_OUT not in words


@pytest.mark.usefixtures("empty_plots")
def test_csv_files_have_what_is_contended(tmp_path: Path) -> None:
    write([factory.run(at_batches(factory.sweep(one_thread_at=None), 8))], tmp_path / "out")
    with (tmp_path / "out/cases.csv").open(encoding="utf-8") as file:
        rows = [(row["device"], row["batch_size"]) for row in csv.DictReader(file) if row["contended"] == "True"]
    assert rows == [("cuda", "8")]
    with (tmp_path / "out/speedups.csv").open(encoding="utf-8") as file:
        busy = [row for row in csv.DictReader(file) if row["contender_contended"] == "True"]
    (row,) = busy
    assert (row["verdict"], row["notes"]) == ("UNCLEAR", "not judged: GPU measured beside other work")


class TestBusyMachine:
    def test_it_is_the_first_thing_on_the_page(self) -> None:
        report = content_of(factory.busy_run(every=1, partial=True))
        assert report.warnings[0].startswith("Busy machine: 33 of 33 cases were measured beside other work")
        words = source(report)
        assert words.index("Busy machine") < words.index('id="answer"')

    def test_with_several_runs_the_line_names_the_run_and_one_that_was_replaced_has_none(self) -> None:
        early = factory.busy_run(every=1, started="2026-01-01T00:00:00+00:00")
        other = factory.busy_run(NO_GPU, every=1)
        (line, *_) = content_of(factory.busy_run(every=100), early, other).warnings
        assert line.startswith("The run of 2026-01-02 03:04 UTC on machine B: busy machine: 18 of 18 cases")

    def test_a_machine_that_was_busy_now_and_then_has_no_line(self) -> None:
        assert content_of(factory.busy_run(every=3)).warnings == ()

    def test_the_contended_cases_are_one_folded_list(self) -> None:
        report = content_of(factory.busy_run(every=3))
        (folded,) = report.contended
        assert folded.summary == (
            "11 of 33 cases were measured beside other work; the worst is gan_step-cuda-b512-fp32-eager ("
            "other work took the CPU away 130 times a second)"
        )
        assert len(folded.items) == 11
        words = source(report)
        assert words.count(f"<summary>{folded.summary}</summary>") == 1
        assert words.index("<summary>11 of 33") > words.index("Machines and runs")

    def test_other_warnings_are_not_in_the_list(self) -> None:
        flags = (Flag(FlagCode.NOT_STEADY, "not steady"), Flag(FlagCode.TOO_MANY_THREADS, "too many"))
        report = content_of(factory.run(factory.sweep(flags=flags)))
        assert (report.contended, report.warnings) == ((), ())

    def test_each_machine_has_its_own_list(self) -> None:
        machines = content_of(factory.busy_run(every=3), factory.busy_run(NO_GPU, every=3)).contended
        assert [folded.summary[:11] for folded in machines] == ["Machine A: ", "Machine B: "]


class TestPartialRuns:
    LEFT = tuple(NotRun(f"gemm-cpu-b{i}-fp32-eager", Outcome.NOT_RUN, "out of time") for i in range(113))

    def test_cases_not_run_for_one_reason_are_one_folded_line(self) -> None:
        skipped = NotRun("gemm-cpu-b9999-fp32-eager", Outcome.SKIPPED, "out of time")
        report = content_of(factory.run(not_run=[*self.LEFT, skipped]))
        (folded,) = report.left
        assert folded.summary == "113 not run: out of time"
        assert folded.items == tuple(entry.what for entry in self.LEFT)
        assert cells(report.not_run)["What"] == ("gemm-cpu-b9999-fp32-eager",)
        words = source(report)
        places = [words.index(part) for part in ('id="not-run"', "<summary>113 not run", 'id="read"')]
        assert places == sorted(places)

    def test_a_single_case_keeps_its_row(self) -> None:
        report = content_of(factory.run(not_run=self.LEFT[:1]))
        assert report.left == ()
        assert cells(report.not_run)["Reason"] == ("out of time",)

    def test_only_folded_lines_are_shown_where_there_is_no_table(self) -> None:
        report = content_of(factory.run(not_run=self.LEFT))
        assert report.not_run is None
        words = shown(report)
        assert "113 not run: out of time" in words
        assert "Nothing was skipped" not in words

    def test_a_case_that_was_run_later_is_not_listed(self) -> None:
        case = Case("gemm", batch_size=1)
        later = factory.run([factory.record(case)], started="2026-03-03T00:00:00+00:00")
        (folded,) = content_of(factory.run(not_run=self.LEFT), later).left
        assert case.id not in folded.items
        assert len(folded.items) == 112

    @pytest.mark.parametrize(
        ("partial", "resumed", "state"),
        [(False, False, "complete"), (True, False, "partial"), (False, True, "complete, resumed")],
    )
    def test_state_of_a_run(self, partial: bool, resumed: bool, state: str) -> None:
        report = content_of(factory.run(partial=partial, resumed=resumed))
        assert cells(report.runs)["State"] == (state,)
        assert bool(report.warnings) == partial

    def test_a_resumed_run_that_is_still_partial_says_both(self) -> None:
        (warning,) = content_of(factory.run(partial=True, resumed=True)).warnings
        assert "it was stopped early, though it was resumed, and contains only 11 of 14 planned cases" in warning
