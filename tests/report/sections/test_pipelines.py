"""The section on pipelines: where their time goes, in a table and a plot."""

from bench_core.core.results import Flag, FlagCode
from bench_core.report.content import analyze, content
from bench_core.report.plots import draw
from bench_core.report.plots.chart_types import StackChart
from bench_core.report.sections.pipelines import NAME
from tests.support import factory


def test_where_pipelines_spend_their_time_is_shown() -> None:
    page = content(analyze([factory.run([*factory.sweep(), *factory.pipeline()])]))
    (study,) = (study for study in page.studies if study.name == NAME)
    (table,), (plot,) = study.tables, study.plots
    assert table.headings[3:] == ("Load", "Transfer", "Compute", "Whole", "Sum / whole", "Repeats")
    by_setting = {(row[0], row[1]): row[3:] for row in table.rows}
    assert by_setting["CPU, 16 threads", "w0"][0] == "16.7 µs (60.0%)"
    assert by_setting["CPU, 16 threads", "resident"][1] == "–"
    assert by_setting["GPU", "w2"][-2] == "125.0%"
    assert plot in page.plots
    assert isinstance(plot.chart, StackChart)
    assert [bar.label for bar in plot.chart.bars][:2] == ["w0, CPU, 16 threads", "w2, CPU, 16 threads"]


FLAG = Flag(FlagCode.STAGES_DO_NOT_ADD_UP, "stages: they take 125% of a whole call (they overlap)")


def test_stages_that_do_not_add_up_are_flagged_beside_their_sum_and_at_their_bar() -> None:
    on_cpu, on_gpu = factory.pipeline(("cpu",)), factory.pipeline(("cuda",), flags=(FLAG,))
    page = content(analyze([factory.run([*on_cpu, *on_gpu])]))
    (study,) = (study for study in page.studies if study.name == NAME)
    (table,), (plot,) = study.tables, study.plots
    assert table.headings[-3:] == ("Sum / whole", "Flag", "Repeats")
    assert [row[-2] for row in table.rows] == [""] * 3 + [FLAG.text] * 3
    assert isinstance(plot.chart, StackChart)
    assert [bar.doubt for bar in plot.chart.bars] == [""] * 3 + ["125%"] * 3
    (drawn,) = draw.draw(plot.chart).axes
    assert [words.get_text() for words in drawn.texts].count("125%") == 3


def test_without_pipelines_there_is_no_section() -> None:
    assert NAME not in {study.name for study in content(analyze([factory.run()])).studies}
