"""The ladder's section: what naive timing reports, rung by rung, on each device and machine."""

from dataclasses import replace
from pathlib import Path

from bench_core.core import text
from bench_core.core.records import NotRun, Outcome, Run
from bench_core.report.content import analyze, content
from bench_core.report.plots import draw
from bench_core.report.plots.chart_types import RungChart, RungLine, Side
from bench_core.report.sections.ladder import NAME
from bench_core.report.sections.study import Study
from tests.report.sections.conftest import WriteReport
from tests.support import factory

NO_GPU = factory.machine(gpu=False)


def ladder_of(*runs: Run) -> Study | None:
    """The ladder's section of a report, if it has one."""
    return next((study for study in content(analyze(runs)).studies if study.name == NAME), None)


def test_a_cpu_alone_has_no_speedup_and_synchronizing_changes_nothing_there() -> None:
    study = ladder_of(factory.run(on=NO_GPU, ladder=factory.ladder(("cpu",))))
    assert study is not None
    assert [plot.name for plot in study.plots] == ["ladder_time_A"]
    (table,) = study.tables
    assert table.headings == ("Rung", "What it corrects", "CPU time", "CPU off by")
    assert [row[2] for row in table.rows if row[0] in ("own optimizer", "synchronize")] == ["7.10 ms", "7.30 ms"]


def test_waiting_for_the_device_has_no_effect_on_a_cpu() -> None:
    rungs = [replace(r, seconds=r.seconds * (20 if r.rung == "synchronize" else 1)) for r in factory.ladder(("cpu",))]
    study = ladder_of(factory.run(on=NO_GPU, ladder=rungs))
    assert study is not None
    assert "'synchronize'" not in study.sentences[0]
    assert any("'synchronize' has no effect" in note for note in study.tables[0].notes)
    on_gpu = ladder_of(factory.run(ladder=factory.ladder(("cuda",))))
    assert on_gpu is not None
    assert not any("has no effect" in note for note in on_gpu.tables[0].notes)


def test_without_a_ladder_there_is_no_section(write_report: WriteReport) -> None:
    report = write_report(factory.run([]))
    assert NAME not in report.text


def test_cpu_and_gpu_are_shown_next_to_each_other_with_what_each_is_off_by(write_report: WriteReport) -> None:
    report = write_report(factory.run(ladder=factory.ladder()))
    words = report.text
    assert NAME in words
    assert "CPU: the first rung reports 7.20 ms per step, the last 570 µs, so the first is off by 12.6×." in words
    assert "The rung 'loader taken out' changes the time most: from 6.40 ms to 560 µs." in words
    assert "By the first rung the GPU is 0.447× as fast as the CPU; by the last, 2.48×." in words
    assert "CPU 564 to 576 µs; GPU 228 to 232 µs; R 2.44 to 2.51" in words
    row = next(row for row in report.rows if row[0] == "warm-up")
    assert row[2:] == ["6.40 ms", "11.2×", "6.80 ms", "29.6×", "0.941×", "0.380×"]
    plots = {path.name for path in (report.folder / "plots").iterdir()}
    assert {"ladder_time_A.png", "ladder_speedup_A.svg"} <= plots
    assert f'href="#s-{NAME.replace(" ", "-")}"' in report.source


def test_the_newest_ladder_of_each_machine_counts() -> None:
    old = factory.run(ladder=factory.ladder(seconds=9e-3, interval=None), started="2025-01-01T00:00:00+00:00")
    new = factory.run(ladder=factory.ladder())
    later_without = factory.run(started="2026-02-01T00:00:00+00:00")
    other = factory.run(on=NO_GPU, ladder=factory.ladder(("cpu",)))
    study = ladder_of(old, new, later_without, other)
    assert study is not None
    assert [sentence[:30] for sentence in study.sentences] == [
        "Machine A: CPU: the first rung", "Machine A: GPU: the first rung", "Machine A: By the first rung t",
        "Machine B: CPU: the first rung",
    ]  # fmt: skip
    assert "7.20 ms" in study.sentences[0]


def test_no_conclusion_is_drawn_from_a_ladder_that_was_measured_beside_other_work() -> None:
    cpu = [replace(rung, contended=rung.rung == "synchronize") for rung in factory.ladder(("cpu",))]
    study = ladder_of(factory.run(ladder=[*cpu, *factory.ladder(("cuda",))]))
    assert study is not None
    on_cpu, on_gpu = study.sentences
    assert on_cpu == (
        "CPU: 1 of 7 rungs was measured beside other work, so no conclusion is drawn. Measure the ladder again while "
        "nothing else runs."
    )
    assert on_gpu.startswith("GPU: the first rung reports 16.1 ms per step")
    (table,) = study.tables
    rows = {row[0]: row[2:] for row in table.rows}
    assert rows["synchronize"] == ("7.30 ms *", "–", "16.3 ms", "70.9×", "0.448× *", "–")
    assert rows["warm-up"][1] == "11.2×"
    assert table.notes[-1].startswith("* Measured beside other work")
    times, ratios = (plot.chart for plot in study.plots)
    assert isinstance(times, RungChart)
    assert isinstance(ratios, RungChart)
    assert [line.contended for line in (*times.lines, *ratios.lines)] == [{2}, set(), {2}]


def test_nothing_is_compared_with_a_last_rung_that_was_measured_beside_other_work() -> None:
    rungs = [replace(rung, contended=rung.interval is not None) for rung in factory.ladder(("cpu",))]
    study = ladder_of(factory.run(on=NO_GPU, ladder=rungs))
    assert study is not None
    (table,) = study.tables
    assert "CPU off by" not in table.headings, "a column without any value is left out"


def test_a_ladder_of_older_software_does_not_count() -> None:
    newer_torch = factory.run(on=factory.machine(torch="2.12.0"), started="2026-03-01T00:00:00+00:00")
    assert ladder_of(factory.run(ladder=factory.ladder()), newer_torch) is None


def test_a_plot_of_rungs_can_be_drawn_without_a_run_and_names_what_it_shows(tmp_path: Path) -> None:
    values = tuple(enumerate(gpu_seconds for _, gpu_seconds in factory.RUNGS.values()))
    line = RungLine("a device of the tests", Side.GPU, values, None)
    chart = RungChart("Rungs", "no measurement", "-", "time", tuple(factory.RUNGS), (line,), text.seconds)
    draw.save(chart, tmp_path / "a.svg", tmp_path / "a.png")
    drawing = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert all(words in drawing for words in ("a device of the tests", "no measurement", "inputs resident"))


def test_a_ladder_that_failed_and_was_made_later_is_no_longer_missing() -> None:
    failed = NotRun("ladder-cpu", Outcome.FAILED, "why")
    early = factory.run(not_run=[failed], started="2025-01-01T00:00:00+00:00")
    not_run = content(analyze([early])).not_run
    assert not_run is not None
    assert not_run.rows[0][1:] == ("ladder-cpu", "failed", "why")
    assert content(analyze([early, factory.run(ladder=factory.ladder())])).not_run is None
