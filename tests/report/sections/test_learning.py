"""The section on time to accuracy: what each training reached, on each device, in how long."""

import pytest

from bench_core.core.records import NotRun, Outcome, Run
from bench_core.report.content import analyze, content
from bench_core.report.sections.learning import NAME
from bench_core.report.sections.study import Study
from tests.report.sections.conftest import WriteReport
from tests.support import factory


def learning_of(*runs: Run) -> Study | None:
    """The section on time to accuracy of a report, if it has one."""
    return next((study for study in content(analyze(runs)).studies if study.name == NAME), None)


@pytest.mark.usefixtures("svgs_alone")
def test_cpu_and_gpu_are_shown_next_to_each_other_in_words_and_a_table(write_report: WriteReport) -> None:
    report = write_report(factory.run(learning=factory.learning()))
    assert (
        "mlp_train, target accuracy 90% on 257 test images (digits stand-in): the CPU takes 105 ms (150 "
        "steps); the GPU takes 42.0 ms (150 steps). The GPU reaches it 2.50× as fast as the CPU." in report.text
    )
    assert [(row[0], row[3]) for row in report.rows if "reached" in row] == [
        (name, device) for name in factory.TRAININGS for device in ("CPU, 16 threads", "GPU")
    ]
    assert 'href="#s-Does-it-learn' in report.source
    assert "is not MNIST" in report.text


def test_a_target_that_is_not_reached_is_reported_and_gives_no_speedup() -> None:
    cpu, gpu = factory.learning(("cpu",)), factory.learning(("cuda",), accuracy=0.104, met=False)
    study = learning_of(factory.run(learning=(*gpu, *cpu)))
    assert study is not None
    assert study.sentences[0] == (
        "mlp_train, target accuracy 90% on 257 test images (digits stand-in): the CPU takes 105 ms (150 steps); the "
        "GPU does not reach it: 10.4% after 42.0 ms (150 steps)."
    )
    assert [row[-2] for row in study.tables[0].rows[:2]] == ["reached", "not reached"]


def test_training_beside_other_work_is_marked_and_not_compared() -> None:
    trained = (*factory.learning(("cpu",)), *factory.learning(("cuda",), contended=True))
    study = learning_of(factory.run(learning=trained))
    assert study is not None
    assert study.sentences[0].endswith("Which is faster is not judged: measured beside other work.")
    (table,) = study.tables
    times = [row[table.headings.index("Time")] for row in table.rows[:2]]
    assert times == ["105 ms", "42.0 ms *"]
    assert table.notes[-1].startswith("* Measured beside other work")


def test_real_data_is_not_called_a_stand_in() -> None:
    real = factory.learning(("cpu",), data="MNIST", stand_in=False)
    study = learning_of(factory.run(on=factory.machine(gpu=False), learning=real))
    assert study is not None
    assert not any("stand-in" in note for note in study.tables[0].notes)


def test_without_trainings_there_is_no_section() -> None:
    assert learning_of(factory.run()) is None


def test_a_study_that_was_made_later_is_no_longer_missing() -> None:
    left_out = NotRun("learning (3 studies)", Outcome.SKIPPED, "measured with --bench-sweep full", study="learning")
    failed = NotRun("learning-mlp_train-cpu", Outcome.FAILED, "why")
    early = factory.run(not_run=[failed], started="2025-01-01T00:00:00+00:00")
    trained = factory.run(learning=factory.learning(("cpu",)))
    later = factory.run(not_run=[left_out], started="2026-02-01T00:00:00+00:00")
    of_early, of_later = (content(analyze([run])).not_run for run in (early, later))
    assert of_early is not None
    assert of_early.rows[0][1:] == ("learning-mlp_train-cpu", "failed", "why")
    assert of_later is not None
    assert of_later.rows[0][1] == "learning (3 studies)"
    assert content(analyze([early, trained, later])).not_run is None
