"""``bench-core history``: stored runs in, their steps out; and imports."""

import csv
import json

import pytest
from typer.testing import CliRunner

from bench_core.cli import app
from bench_core.core.case import Case
from bench_core.core.errors import BenchError
from tests.storage.test_importing import asv_result, pyperf_suite
from tests.support import factory
from tests.support.values import commit, noisy, started
from tests.test_cli import assert_refused, run

pytestmark = pytest.mark.usefixtures("here")

CASES = [Case("mlp_train", device="cuda", batch_size=64), Case("gemm", batch_size=8)]
TIMES = noisy([(14, 1e-3), (10, 1.2e-3)])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with runs of two cases, the time of one of which steps upward."""
    folder = tmp_path_factory.mktemp("stored") / "results"
    for day, seconds in enumerate(TIMES):
        records = [
            factory.record(case, timing=factory.timing(t)) for case, t in zip(CASES, (seconds, 1e-3), strict=True)
        ]
        stored = factory.run(records, started=started(day), commit=commit(day), dirty=day == 14)
        factory.store(stored, folder / "machine" / f"{day:04d}_run.json")
    return folder


def history(*arguments):
    return CliRunner().invoke(app, ["history", *map(str, arguments)])


def test_stored_runs_become_a_summary_a_page_and_csv_files(results, here):
    found = run("history", results, cwd=here)
    assert found.returncode == 0, found.stderr
    assert "24 runs, 2026-01-01 to 2026-01-24: 3 series on 1 machine" in found.stdout
    assert "1 regression:\n+19.9%" in found.stdout
    assert f"since 2026-01-15 06:30, {commit(14)[:10]}-dirty; before: {commit(13)[:10]}" in found.stdout
    assert found.stdout.endswith("Page written to history/index.html\n")
    assert max(map(len, found.stdout.splitlines())) <= 80
    assert {path.name for path in (here / "history").iterdir()} == {"index.html", "history.csv", "steps.csv"}


def test_runs_of_the_current_folder_are_the_default(results, here):
    (here / "results").symlink_to(results)
    assert "24 runs" in history().stdout
    assert "24 runs" in history("show").stdout
    assert "24 runs" in history("--out", "elsewhere").stdout
    assert (here / "elsewhere" / "index.html").exists()


def test_its_own_csv_can_be_read_again_also_beside_the_runs(results):
    first = history(results).stdout
    assert history("history/history.csv", "--out", "again").stdout.splitlines()[:-1] == first.splitlines()[:-1]
    both = history(results, "history/history.csv", "--out", "both").stdout
    assert both.splitlines()[:-1] == first.splitlines()[:-1]


def test_files_of_a_folder_that_cannot_be_used_are_named_and_others_read(results, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    for path in results.rglob("*.json"):
        (folder / path.name).symlink_to(path)
    (folder / "broken.json").write_text("{")
    found = history(folder)
    assert found.exit_code == 0
    assert "broken.json: is not complete JSON" in " ".join(found.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], ["results: no such folder here"], id="no-results"),
        pytest.param(["nowhere"], ["nowhere: does not exist"], id="nothing-there"),
        pytest.param(["nowhere.csv"], ["nowhere.csv: cannot be read"], id="no-csv"),
        pytest.param(["broken.json"], ["broken.json: is not complete JSON"], id="broken"),
        pytest.param(["broken.csv"], ["broken.csv: line 2: value is 'x'"], id="broken-csv"),
        pytest.param(["empty.csv"], ["empty.csv: there is no value to show"], id="no-values"),
        pytest.param(["--case", "a"], ["belong to --confirm and --bisect"], id="case-alone"),
        pytest.param(["--tests", "a"], ["belong to --confirm and --bisect"], id="tests-alone"),
        pytest.param(["--confirm", "--budget", "0"], ["--budget: must be above 0"], id="no-budget"),
        pytest.param(["import"], ["give either --asv DIR or --pyperf FILE"], id="import-nothing"),
        pytest.param(["import", "a.json"], ["give either --asv DIR or --pyperf FILE"], id="import-what"),
        pytest.param(["import", "--asv", "."], ["benchmarks.json"], id="not-asv"),
        pytest.param(["import", "--pyperf", "broken.json"], ["broken.json: is not complete JSON"], id="not-pyperf"),
        pytest.param(["import", "--pyperf", "broken.json", "--out", "x.txt"], ["must end in .csv"], id="not-csv"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(here, arguments, words):
    (here / "broken.json").write_text("{")
    (here / "broken.csv").write_text("case,started,value\na,2026-01-01,x\n")
    (here / "empty.csv").write_text("case,started,value\na,2026-01-01,-1\n")
    found = history(*arguments)
    assert isinstance(found.exception, BenchError)
    for word in words:
        assert word in str(found.exception)
    assert {path.name for path in here.iterdir()} == {"broken.json", "broken.csv", "empty.csv"}


def test_bad_input_is_one_line_and_exit_code_2(here):
    assert_refused(run("history", "nowhere", cwd=here), "nowhere: does not exist")
    assert_refused(run("history", "import", "--asv", "nowhere", cwd=here), "nowhere")


def test_help_names_both_commands():
    words = " ".join(history("--help").stdout.split())
    assert "show" in words
    assert "import" in words


def test_asv_results_are_imported_and_their_steps_found(here):
    for day, seconds in enumerate(TIMES):
        results = {"bench.time_sort": [[seconds], [], "v1"], "bench.track_size": [[7], [], "v0"]}
        asv_result(here / "asv", commit=commit(day), date=1_700_000_000_000 + day * 86_400_000, results=results)
    imported = history("import", "--asv", "asv")
    assert imported.exit_code == 0
    assert imported.stdout.splitlines() == [
        "left out: 24 results of another version of the benchmark",
        "24 values of 24 files written to asv.csv",
        "Next: bench-core history asv.csv",
    ]
    found = history("asv.csv")
    assert "1 regression:\n+19.9%" in found.stdout
    assert f"{commit(14)[:10]}; before: {commit(13)[:10]}" in found.stdout


def test_files_of_pyperf_are_imported_however_many(here):
    for day in range(3):
        dated = json.dumps(pyperf_suite()).replace("2026-01-02", f"2026-01-{day + 2:02d}")
        (here / f"{day}.json").write_text(dated)
    imported = history("import", "--pyperf", "0.json", "1.json", "2.json", "--out", "mine.csv")
    assert imported.stdout.startswith("6 values of 3 files written to mine.csv\n")
    with (here / "mine.csv").open(newline="") as file:
        assert {row["started"][:10] for row in csv.DictReader(file)} == {f"2026-01-0{day}" for day in (2, 3, 4)}
