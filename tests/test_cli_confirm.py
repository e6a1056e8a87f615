"""``bench-core history --confirm`` and ``--bisect`` in a small repository, as its users start them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from bench_core.analysis.history.steps import find_steps
from bench_core.cli.confirming import Asked, confirm
from bench_core.core.errors import OptionError
from bench_core.storage import values_csv
from bench_core.storage.values import Origin, SeriesId, Value
from tests.support.processes import python
from tests.support.repositories import committed, git
from tests.support.values import collected, noisy, started
from tests.test_cli import assert_refused

ROOT = Path(__file__).parents[1]
WORKER = (Path(__file__).parent / "support" / "working_worker.py").read_text()
CASE = "test_speed.py::test_work-cpu-b1-default-eager"
LIMITS = "[tool.bench-core.gate]\nmargin = '20%'\nmatters = '60%'\n"
WORK = "def work():\n    return sum(range({}))\n"
BROKEN = "def work(:\n"
HANGING = "import os, signal\n\ndef work():\n    open(os.environ['MARKER'], 'w').close()\n    signal.pause()\n"
TESTS = """
import work

def test_work(device_benchmark):
    device_benchmark(work.work)

def test_other(device_benchmark):
    raise RuntimeError("must not be run")
"""
FAST, SLOW = WORK.format(5_000), WORK.format(15_000)


def repository(top, versions, **files):
    """A repository with these files and a commit for each of these versions of ``work.py``; the commits' hashes."""
    top.mkdir()
    for name, content in {"pyproject.toml": LIMITS, ".gitignore": "history*\n__pycache__\n", **files}.items():
        (top / name.replace("__", ".")).write_text(content)
    commits = []
    for number, version in enumerate(versions):
        (top / "work.py").write_text(f"{version}\n# version {number}\n")
        commits.append(committed(top, f"Version {number}"))
    return SimpleNamespace(top=top, commits=commits)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Version 2 cannot be imported, and version 4 made it three times as slow."""
    versions = [FAST, FAST, BROKEN, FAST, SLOW]
    return repository(tmp_path_factory.mktemp("bisected") / "project", versions, pytest__py=WORKER)


def measured(good, bad, case=CASE, levels=((14, 1e-3), (10, 3e-3)), **facts):
    """The values of a case over time: of one commit up to a step, of another one from then on."""
    series = SeriesId(case, **facts)
    commits = [good] * levels[0][0] + [bad] * levels[-1][0]
    return [
        Value(series, Origin(started(day), commit), number)
        for day, (number, commit) in enumerate(zip(noisy(levels), commits, strict=True))
    ]


def environment(project):
    # With a cache of their own that they may not write to, the workers would compile the standard library each time.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}
    return {
        **environ,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
        "PYTHONUTF8": "1",
        "PIDS": str(project.top.parent / "pids"),
        "MARKER": str(project.top.parent / "marker"),
    }


def stored(project, *series):
    path = project.top.parent / "values.csv"
    values_csv.write(path, [value for of in series for value in of])
    return path


def history(project, series, *arguments):
    arguments = ("history", stored(project, series), *arguments)
    return python("-m", "bench_core", *map(str, arguments), cwd=project.top, environ=environment(project))


def worktrees(project):
    return git(project.top, "worktree", "list").splitlines()


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def pids(project):
    return list(map(int, (project.top.parent / "pids").read_text().split()))


@pytest.mark.long
def test_the_commit_that_made_it_slower_is_found_and_one_that_cannot_be_measured_stepped_past(project):
    good, _, broken, fine, bad = project.commits
    ended = history(project, measured(good, bad), "--bisect")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert f"base: {good[:10]}\nhead: {bad[:10]}\non:   the machine of the test\n" in ended.stdout
    assert f"SLOWER   {CASE}" in ended.stdout
    assert "test_other" not in ended.stdout
    _, _, said = ended.stdout.partition("Confirmed on this machine:")
    assert " ".join(said.split()).startswith(f"{CASE} is slower in {bad[:10]} than in {good[:10]}: +")
    assert "Searching 4 commits: at most 2 gates if all can be measured" in said
    lines = [line.split() for line in said.splitlines() if line.startswith(("SLOWER", "SAME", "MISSING"))]
    assert [(line[0], line[1]) for line in lines] == [("MISSING", broken[:10]), ("SAME", fine[:10])]
    assert "SyntaxError" in said
    assert f"First slower commit: {bad}\n" in said
    assert said.splitlines()[-1].strip() == "Version 4"
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert len(worktrees(project)) == 1
    assert all(map(gone, pids(project)))


def test_a_step_that_is_not_in_the_code_is_not_confirmed(project):
    ended = history(project, measured(*project.commits[:2], machine="another machine"), "--confirm", "--case", CASE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"Not confirmed on this machine (SAME): {CASE}" in " ".join(ended.stdout.split())
    assert "bench-core: measured elsewhere: machine was another machine; here: " in ended.stderr
    assert "Searching" not in ended.stdout


def test_a_case_that_no_test_measures_is_refused(project):
    ended = history(project, measured(project.commits[0], project.commits[1], case="bench.time_sort"), "--confirm")
    assert_refused(ended, "no collected test measures bench.time_sort; choose the tests that do with --tests")
    assert len(worktrees(project)) == 1


def test_the_fixture_is_measured_by_the_name_of_its_case_and_no_other_test(tmp_path):
    project = repository(tmp_path / "project", [FAST, SLOW], test_speed__py=TESTS)
    arguments = ("--bisect", "--budget", "0.001", "--tests", "-p bench_core.plugin -q test_speed.py")
    ended = history(project, measured(*project.commits), *arguments)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert f"UNCLEAR  {CASE}\n" in ended.stdout
    assert "1 UNCLEAR (1 pair of processes" in ended.stdout
    said = " ".join(ended.stdout.split())
    assert said.endswith(f"Unclear: the time was spent before {CASE} was decided; give more with --budget.")


@pytest.mark.long
def test_ctrl_c_ends_the_search_and_leaves_no_process_and_no_worktree(tmp_path):
    (tmp_path / "here").mkdir()
    project = repository(tmp_path / "here" / "project", [FAST, HANGING, SLOW], pytest__py=WORKER)
    path = stored(project, measured(project.commits[0], project.commits[2]))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench_core", "history", str(path), "--bisect"],
        cwd=project.top, env=environment(project), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )  # fmt: skip
    while not (tmp_path / "here" / "marker").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "The cause is in one of 2 commits; the search was interrupted:" in output
    workers = pids(project)
    psutil.wait_procs([psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], timeout=60)
    assert all(map(gone, workers))
    assert len(worktrees(project)) == 1


def asked(case=None, tests=None, budget=None, bisect=False):
    return Asked(case, tests, budget, bisect)


@pytest.mark.parametrize(
    ("good", "bad", "options", "words"),
    [
        (None, 4, {}, "the runs around its step have no commit to measure"),
        (0, 0, {}, "both runs around its step are of commit"),
        (0, "f" * 40, {}, "no revision 'ffff"),
        (4, 0, {"bisect": True}, "is no ancestor of"),
        (0, 4, {"case": "other"}, "--case other: no such case"),
        (0, 4, {"budget": 0.0}, "--budget: must be above 0"),
        (0, 4, {"budget": float("inf")}, "--budget: must be above 0"),
        (0, 4, {"tests": "a 'b"}, "--tests .*cannot be split into arguments"),
    ],
)
def test_what_cannot_be_confirmed_is_refused(project, monkeypatch, good, bad, options, words):
    monkeypatch.chdir(project.top)
    good, bad = (project.commits[which] if isinstance(which, int) else which for which in (good, bad))
    with pytest.raises(OptionError, match=words):
        confirm(find_steps(collected(measured(good, bad))), asked(**options))


def test_a_folder_that_is_in_no_repository_is_refused(project, here):
    with pytest.raises(OptionError, match="not in a git repository"):
        confirm(find_steps(collected(measured(*project.commits[:2]))), asked())


def test_without_a_regression_there_is_nothing_to_confirm(project, monkeypatch):
    monkeypatch.chdir(project.top)
    even = measured(project.commits[0], project.commits[1], levels=((14, 1.0), (10, 1.0)))
    with pytest.raises(OptionError, match="no regression of the time per call to confirm"):
        confirm(find_steps(collected(even)), asked())
