"""The section on the runs of courses: the course's clock, and the parts of its time."""

import pytest

from bench_core.core.records import Run
from bench_core.report.content import analyze, content
from bench_core.report.sections.course import NAME
from bench_core.report.sections.study import Study
from tests.report.sections.conftest import WriteReport
from tests.support import factory


def course_of(*runs: Run) -> Study | None:
    """The section on courses of a report, if it has one."""
    return next((study for study in content(analyze(runs)).studies if study.name == NAME), None)


@pytest.mark.usefixtures("svgs_alone")
def test_time_of_the_course_and_its_parts_are_in_words_and_a_table(write_report: WriteReport) -> None:
    report = write_report(factory.run(course=factory.course()))
    assert (
        "mlp_train, CPU: the course's clock reports 28.0 s for 5 epochs (4,690 steps). Measured alone, loading "
        "takes 18.8 s (67%) of it, copying 4.69 ms (0%), training 1.88 s (6.7%), and the first step 30.0 ms "
        "(0.1%). When the clock was read, 1.00 µs of work were left." in report.text
    )
    assert (
        "mlp_train, GPU compared with CPU: 1.33× as fast by the course's clock, 2.00× in the training step alone."
        in report.text
    )
    rows = [row for row in report.rows if "4,690" in row]
    assert [row[:2] for row in rows] == [
        [name, device] for name in factory.COURSES for device in ("CPU, 16 threads", "GPU")
    ]
    # 30 ms, 4,690 times 4 ms, and 4,689 times 1 µs and 400 µs.
    assert rows[0][3:10] == ["28.0 s", "1.00 µs", "30.0 ms", "18.8 s", "4.69 ms", "1.88 s", "20.7 s"]


def test_a_run_beside_other_work_is_marked_and_gives_no_conclusion() -> None:
    timed = (*factory.course(("cpu",)), *factory.course(("cuda",), contended=True))
    study = course_of(factory.run(course=timed))
    assert study is not None
    assert study.sentences[1].startswith("mlp_train, GPU: measured beside other work, so no conclusion is drawn.")
    assert not any("GPU compared with CPU" in sentence for sentence in study.sentences)
    (table,) = study.tables
    times = [row[table.headings.index("Course's clock")] for row in table.rows[:2]]
    assert times == ["28.0 s", "21.0 s *"]
    assert table.notes[-1].startswith("* Measured beside other work")


def test_without_runs_of_courses_there_is_no_section() -> None:
    assert course_of(factory.run()) is None
