"""The page of two runs side by side."""

from pathlib import Path

import pandas as pd
import pytest

from bench_core.analysis.comparison import Verdict
from bench_core.analysis.run_comparison import compare_two
from bench_core.report.comparing import NamedComparison
from bench_core.report.plots.chart_types import DotChart
from bench_core.report.side_by_side import TITLE, side_by_side
from bench_core.storage.files import load
from bench_core.storage.naming import Named
from tests.support import factory
from tests.support.processes import python


@pytest.fixture
def stored(tmp_path):
    costs = {"cpu": factory.Cost(4e-5, 8e-6)}
    base = factory.run(factory.sweep("mlp_train") + factory.sweep("gan_step"))
    head = factory.run(
        factory.sweep("mlp_train", costs=costs) + factory.sweep("gan_step", ("cpu",), (1, 8)),
        factory.machine(torch="2.12.0"),
        "2026-01-03T00:00:00+00:00",
        partial=True,
    )
    return [str(factory.store(run, tmp_path / name)) for run, name in ((base, "base.json"), (head, "head.json"))]


def write(stored, out, *others):
    return python("-m", "bench_core", "report", "--compare", *stored, "--out", str(out), *others)


def test_the_page_has_the_picture_the_cases_and_both_runs(stored, tmp_path):
    result = write(stored, tmp_path / "page")
    assert result.returncode == 0, result.stderr
    page, brief = ((tmp_path / "page" / name).read_text(encoding="utf-8") for name in ("index.html", "report.md"))
    for words in (TITLE, "Cases that both runs have", "2.11.0, 0.26.0 or 2.12.0", "Only in base", "is partial"):
        assert words in page
    assert "What was not run" not in page
    for words in (
        "5 SLOWER",
        "Only in base: ",
        "The full page is `index.html`",
        "head is partial",
        "| SLOWER | `mlp_train-cpu-b",
    ):
        assert words in brief
    ratios = pd.read_csv(tmp_path / "page" / "speedups.csv")
    slower = ratios[(ratios["workload"] == "mlp_train") & (ratios["contender_device"] == "cpu")]
    assert set(slower[slower["contender_threads"] == 16]["verdict"]) == {Verdict.SLOWER}
    assert slower[slower["contender_threads"] == 16]["ratio"].to_numpy() == pytest.approx([0.5] * 5, rel=0.05)
    assert (tmp_path / "page" / "plots" / "side_by_side.png").exists()


def test_the_picture_has_a_row_for_each_workload(stored):
    base, head = (load(Path(path)) for path in stored)
    one, other = (Named(path, Path(path)) for path in stored)
    (plot,) = side_by_side(NamedComparison(compare_two(base, head), one, other)).overview
    assert isinstance(plot.chart, DotChart)
    assert {row.label for row in plot.chart.rows} == {"gan_step", "mlp_train"}


@pytest.mark.parametrize("others", [("results",), ("--price", "cpu=1"), ("--emulated",)])
def test_other_options_are_refused(stored, tmp_path, others):
    result = write(stored, tmp_path / "page", *others)
    assert result.returncode == 2
    assert "report --compare: takes two runs and --out" in result.stderr


def test_a_run_that_is_not_there_is_named(stored, tmp_path):
    result = write([stored[0], str(tmp_path / "none.json")], tmp_path / "page")
    assert result.returncode == 2
    assert "none.json" in result.stderr
    assert not (tmp_path / "page").exists()
