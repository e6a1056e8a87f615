"""``bench-core compare``: stored runs in, verdicts and exit codes out.

Most tests run the command in this process, since starting one takes longer than comparing.
"""

import json
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bench_core.cli import app
from bench_core.core.case import Case
from bench_core.core.errors import BenchError
from tests.support import factory
from tests.support.repositories import git
from tests.test_cli import assert_refused, run

LATER = "2026-02-02T00:00:00+00:00"


def cases(factor=1.0, **changes):
    """Three cases, whose calls take ``factor`` times as long."""
    timing = factory.timing(1e-3 * factor, spread=0.001)
    return [factory.record(Case("mlp_train", batch_size=b), timing=timing, **changes) for b in (1, 8, 64)]


@pytest.fixture
def base(here):
    return factory.store(factory.run(cases()), here / "base.json")


def head_of(records, here, name="head.json"):
    return factory.store(factory.run(records, started=LATER), here / name)


def verdicts(result):
    return [line.split()[0] for line in result.stdout.splitlines() if re.match(r"[A-Z]+ +mlp_train-", line)]


def compare(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_a_run_compared_with_itself_is_the_same_throughout_flagged_or_not(here):
    records = [*cases()[:2], factory.contended(cases()[2]), *factory.sweep(batches=(512,), count=4)]
    path = factory.store(factory.run(records), here / "run.json")
    result = compare(path, path, "--fail-above", "0%")
    assert result.exit_code == 0, result.output
    assert verdicts(result) == ["SAME"] * len(records)


@pytest.mark.parametrize(
    ("factor", "verdict", "limit", "code"),
    [
        (1.5, "SLOWER", (), 0),
        (1.5, "SLOWER", ("--fail-above", "10%"), 1),
        (1.5, "SLOWER", ("--fail-above", "60%"), 0),
        (1.03, "SAME", ("--fail-above", "2%"), 1),
        (0.5, "FASTER", ("--fail-above=10%",), 0),
    ],
)
def test_exit_code_is_1_only_above_the_limit(here, base, factor, verdict, limit, code):
    result = compare(base, head_of(cases(factor), here), *limit)
    assert (result.exit_code, result.stderr) == (code, "")
    assert verdicts(result) == [verdict] * 3


def test_a_flagged_slowdown_is_unclear_and_does_not_fail(here, base):
    head = head_of([factory.contended(record) for record in cases(3.0)], here)
    result = compare(base, head, "--fail-above", "10%")
    assert result.exit_code == 0
    assert verdicts(result) == ["UNCLEAR"] * 3
    assert result.stdout.count("not judged: head measured beside other work") == 3


def test_a_case_of_one_run_only_is_counted_and_the_exit_code_is_0(here, base):
    result = compare(base, head_of(cases()[:1], here))
    assert result.exit_code == 0
    assert len(verdicts(result)) == 1
    line = "Only in base: 2 cases (mlp_train-cpu-b8-fp32-eager, mlp_train-cpu-b64-fp32-eager)"
    assert line in " ".join(result.stdout.split())
    assert "MISSING" not in result.stdout


def test_folder_latest_and_commit_stand_for_files_and_the_first_line_names_them(here):
    git(here, "init", "--quiet")
    commits = []
    for day, factor in ((1, 1.0), (2, 1.5)):
        git(here, "commit", "--quiet", "--allow-empty", "--message", "x")
        commits.append(git(here, "rev-parse", "HEAD"))
        measured = factory.run(cases(factor), started=f"2026-01-0{day}T00:00:00+00:00", commit=commits[-1])
        path = here / "results" / "machine" / f"000{day}_x.json"
        factory.store(replace(measured, info=replace(measured.info, run_id=str(day))), path)
    for first, second in (("HEAD~1", "HEAD"), (commits[0][:7], "latest"), ("HEAD^", "results/machine")):
        result = compare(first, second)
        assert result.exit_code == 0, result.output
        assert verdicts(result) == ["SLOWER"] * 3
        lines = result.stdout.splitlines()
        assert lines[0].startswith("Comparing results/machine/0001_x.json (")
        assert lines[1].startswith(f"     with results/machine/0002_x.json ({second}: the newest of ")


def test_json_and_markdown_are_printed_alone(here, base):
    head = head_of(cases(1.5), here)
    data = json.loads(compare(here / "base.json", head, "--json").stdout)
    assert data["counts"]["SLOWER"] == 3
    page = compare(base, head, "--markdown").stdout
    assert page.startswith("### bench-core: 3 SLOWER\n")


def test_output_is_written_to_a_file_and_the_exit_code_is_the_same(here, base):
    head, page = head_of(cases(1.5), here), here / "page.md"
    page.write_text("older")
    result = run("compare", base, head, "--markdown", "--output", page, "--fail-above", "10%", cwd=here)
    assert result.returncode == 1
    assert result.stdout == f"Comparison written to {page}: 3 SLOWER\n"
    assert page.read_text(encoding="utf-8").startswith("### bench-core: 3 SLOWER\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["base.json", "nowhere"], ["'nowhere': is not a file or folder, and git knows no commit of this name here"]),
        (["latest", "base.json"], ["latest: the newest run is looked for in results", "no such folder"]),
        (["base.json", "abcdef"], ["'abcdef': is not a file", "commit abcdef is looked for in results"]),
        (["base.json", "empty"], ["empty: has no stored run"]),
        (["base.json", "other.json"], ["base.json and other.json: have no case in common (3 and 1 cases)"]),
        (["base.json", "base.json", "--fail-above", "0.1"], ["--fail-above '0.1'", "such as 10%"]),
        (["base.json", "base.json", "--json", "--markdown"], ["--json and --markdown: give one of them"]),
        (["base.json", "base.json", "--output", "no/such.md"], ["no/such.md: cannot be written", "--output"]),
        (["base.json", "base.json", "--output", "empty"], ["empty: cannot be written", "--output"]),
        (["base.json", "other/../base.json", "--output", "./base.json"], ["base.json: is one of the stored runs"]),
    ],
)
def test_bad_input_is_an_error_that_names_it_and_loses_nothing(here, base, arguments, words):
    (here / "empty").mkdir()
    (here / "other").mkdir()
    factory.store(factory.run([factory.record(Case("other"))]), here / "other.json")
    before = base.read_bytes()
    error = compare(*arguments).exception
    assert isinstance(error, BenchError)
    for word in words:
        assert word in str(error)
    assert base.read_bytes() == before


def test_name_that_is_not_found_is_one_line_and_exit_code_2(here, base):
    words = "bench-core: 'nowhere': is not a file or folder, and git knows no commit of this name here"
    assert_refused(run("compare", base, "nowhere", cwd=here), words)
