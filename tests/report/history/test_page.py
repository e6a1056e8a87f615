"""The page of the history and the CSV files beside it."""

import csv
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bench_core.analysis.history.steps import find_steps
from bench_core.core.errors import ReportError
from bench_core.report.history import content, plot, sparkline, write
from bench_core.storage import values_csv
from tests.support.pages import Page
from tests.support.values import collected, commit, noisy, values

UP = noisy([(25, 1e-3), (15, 1.1e-3)])
SERIES = (
    values(UP, "stepped <case>"),
    values(noisy([(25, 2e-3), (15, 1.8e-3)]), "improved"),
    values(noisy([(40, 1e-3)]), "flat"),
    values(noisy([(4, 1e-3)]), "short"),
)


@pytest.fixture(scope="module")
def findings():
    return find_steps(replace(collected(*SERIES), notes=("0001.json: <broken>",)))


@pytest.fixture(scope="module")
def folder(findings, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "history"
    assert write(findings, out) == out / "index.html"
    return out


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "index.html").read_text(encoding="utf-8"))


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_has_regressions_before_series_with_steps_before_others(page):
    words = ("1 regression. The newest: +10.0% in stepped <case>", "Regressions, the newest",
             "Improvements, the newest", "Series with steps", "Without steps", "Too short for steps",
             "How to read this")  # fmt: skip
    places = [page.text.rindex(word) for word in words]
    assert places == sorted(places)
    assert "0001.json: <broken>" in page.text
    assert "1 series too short for steps" in page.text


def test_only_series_with_steps_have_plots_and_rows_link_to_them(page):
    assert [alt.partition(" over")[0] for alt in page.alts] == ["stepped <case>", "improved"]
    inside = [link.removeprefix("#") for link in page.links]
    assert set(inside) <= set(page.ids)
    assert {"w-series-1", "w-series-2"} <= set(inside)


def test_the_page_requests_nothing(folder, page):
    assert all(image.startswith("data:image/svg+xml;base64,") for image in page.images)
    assert all(link.startswith("#") for link in page.links)
    assert "script" not in page.tags
    assert "url(" not in (folder / "index.html").read_text(encoding="utf-8")


def test_history_csv_has_all_values_and_gives_the_same_series_again(folder, findings):
    assert {path.name for path in folder.iterdir()} == {"index.html", "history.csv", "steps.csv"}
    again = find_steps(collected(values_csv.read(folder / "history.csv")))
    assert again.series == findings.series
    first = rows(folder / "history.csv")[0]
    assert tuple(first) == values_csv.COLUMNS
    assert (first["started"], first["dirty"], first["run"]) == ("2026-01-01T06:30:00+00:00", "false", "run-0")


def test_steps_csv_has_one_row_for_each_step(folder):
    improved, stepped = rows(folder / "steps.csv")
    assert (improved["case"], stepped["case"]) == ("improved", "stepped <case>")
    assert (stepped["commit"], stepped["previous_commit"]) == (commit(25), commit(24))
    assert float(stepped["ratio_low"]) < float(stepped["ratio"]) < float(stepped["ratio_high"])
    assert (stepped["candidate"], stepped["recovery"], stepped["undone_commit"]) == ("false", "false", "")


def test_plots_are_limited_to_the_newest(monkeypatch, findings):
    monkeypatch.setattr(content, "MAX_PLOTS", 1)
    page = content.content(findings)
    assert [(of.title, of.plotted) for of in page.plotted] == [("stepped <case>", True), ("improved", False)]
    assert "1 series with older steps shown as a small line instead of a plot" in page.notes


def test_a_folder_that_cannot_be_written_loses_nothing(findings, tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ReportError, match="is a file"):
        write(findings, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


class TestPlot:
    def svg(self, numbers):
        (of,) = find_steps(collected(values(numbers))).series
        return plot.svg(of), of

    def test_it_shows_each_step_with_its_change_and_commit(self):
        svg, of = self.svg(noisy([(30, 1e-3), (30, 1.1e-3), (30, 0.9e-3)]))
        words = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
        assert len(of.steps) == 2
        for step in of.steps:
            assert step.first.commit[:8] in words
        assert any(re.fullmatch(r"\+\d+\.\d%", word or "") for word in words)

    def test_the_same_series_gives_the_same_bytes(self):
        assert self.svg(UP)[0] == self.svg(UP)[0]

    def test_outliers_do_not_flatten_the_rest(self):
        numbers = [*UP]
        numbers[10] = 50.0
        low, high = plot._limits(numbers, [1e-3, 1.1e-3])
        assert high < 1.3e-3
        assert low > 0.8e-3


@pytest.mark.parametrize("count", [1, 2, 500])
def test_a_small_line_stays_in_its_box(count):
    path = sparkline.path([10.0**i for i in range(-(count % 7), 3)] * count)
    points = [tuple(map(float, point.split(","))) for point in path.removeprefix("M").removesuffix("h1").split()]
    assert 1 <= len(points) <= sparkline.MAX_POINTS
    assert all(0 <= x <= sparkline.WIDTH and 0 <= y <= sparkline.HEIGHT for x, y in points)
