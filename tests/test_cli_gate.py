"""``bench-core gate`` in another project, as its users start it."""

import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support import fake_worker
from tests.support.processes import python
from tests.support.repositories import committed, git

ROOT = Path(__file__).parents[1]
TESTS = """
import os
import numbers_of_mine

def test_kept(device_benchmark):
    device_benchmark(numbers_of_mine.work)

def test_{own}(device_benchmark):
    device_benchmark(numbers_of_mine.work)

def test_broken(device_benchmark):
    assert numbers_of_mine.FINE, "broken in " + os.path.basename(os.getcwd())
    device_benchmark(numbers_of_mine.work)

def test_of_something_else():
    raise RuntimeError("must not be run")
"""
BREAKING = """
import torch

def step():
    raise torch.AcceleratorError("CUDA error: device-side assert triggered")

def test_breaking(device_benchmark):
    device_benchmark(step)
"""
MODULE = """
FINE = {fine}

def work():
    return sum(range(1000))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with its code in ``src`` and two commits, of which the second breaks a test and replaces another."""
    top = tmp_path_factory.mktemp("another") / "project"
    (top / "src").mkdir(parents=True)
    (top / ".gitignore").write_text("__pycache__\n")
    (top / "pytest.ini").write_text("[pytest]\naddopts = -n 2 --benchmark-autosave\n")
    for own, fine in (("old", True), ("new", False)):
        (top / "test_speed.py").write_text(TESTS.format(own=own))
        (top / "src" / "numbers_of_mine.py").write_text(MODULE.format(fine=fine))
        committed(top, own)
    return top


def gate(cwd, *arguments, **environment):
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "PYTHONUTF8": "1", **environment}
    return python("-m", "bench_core", "gate", *map(str, arguments), cwd=cwd, environ=environ)


def test_two_commits_of_another_project_are_compared_each_with_its_own_code(project, tmp_path):
    out, summary = tmp_path / "gate.json", tmp_path / "summary.md"
    ended = gate(
        project,
        *("--base", "HEAD~1", "--budget", "0.001", "--json", out, "--junit", tmp_path / "gate.xml"),
        *("-p", "bench_core.plugin", "-q"),
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert ended.returncode == 3, ended.stderr
    assert "the working tree against HEAD~1 (" in ended.stderr
    assert "pair 1: 3 of 4 cases decided" in ended.stderr
    data = json.loads(out.read_text())
    cases = {case["name"].partition("::")[2]: case for case in data["cases"]}
    assert set(cases) == {"test_kept", "test_old", "test_new", "test_broken"}
    assert cases["test_kept"]["verdict"] == "UNCLEAR"
    (pair,) = cases["test_kept"]["pairs"]
    assert len(pair["base"]["times"]) == len(pair["head"]["times"]) >= 6
    assert min(pair["base"]["times"]) > 1e-6
    assert cases["test_old"]["trouble"] == {"side": "head", "outcome": "missing", "reason": "there is no such test"}
    assert cases["test_new"]["trouble"]["side"] == "base"
    trouble = cases["test_broken"]["trouble"]
    assert trouble["side"] == "head"
    assert "broken in project" in trouble["reason"]
    assert "1 UNCLEAR, 3 MISSING" in ended.stdout
    assert "::notice file=test_speed.py,title=UNCLEAR" in ended.stdout
    assert summary.read_text(encoding="utf-8").startswith("### bench-core gate: 1 UNCLEAR, 3 MISSING")
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().attrib["tests"] == "4"
    assert len(git(project, "worktree", "list").splitlines()) == 1
    assert git(project, "status", "--short") == ""


def test_base_may_have_its_own_interpreter_and_options_and_lack_a_test_that_is_named(project, tmp_path):
    out, tests = tmp_path / "gate.json", [f"test_speed.py::test_{name}" for name in ("kept", "new", "broken")]
    ended = gate(
        project,
        *("--base", "HEAD~1", "--base-python", sys.executable, "--base-options", "-k kept"),
        *("--budget", "0.001", "--json", out, "-p", "bench_core.plugin", *tests),
    )
    assert ended.returncode == 3, ended.stderr
    assert f") with {sys.executable} with -k kept" in ended.stderr
    assert "1 UNCLEAR, 2 MISSING" in ended.stdout
    troubles = {case["name"].partition("::")[2]: case["trouble"] for case in json.loads(out.read_text())["cases"]}
    missing = {"side": "base", "outcome": "missing", "reason": "there is no such test"}
    assert troubles == {"test_kept": None, "test_new": missing, "test_broken": missing}


def test_a_worker_that_dies_while_it_is_stopped_is_a_failure_of_its_case(tmp_path):
    test = "test_mine.py::test_mine"
    fake = fake_worker.side("base", tmp_path, {test: "deaf"})
    (tmp_path / "test_mine.py").write_text("def test_mine(device_benchmark):\n    device_benchmark(int)\n")
    ended = gate(tmp_path, "--base-python", fake.python, "--budget", "0.001", "-p", "bench_core.plugin", test)
    assert ended.returncode == 3, ended.stderr
    assert f" against the working tree with {fake.python}" in ended.stderr
    assert "its process has ended" in ended.stdout


def test_an_error_that_breaks_the_accelerator_ends_its_process(tmp_path):
    test = "test_breaking.py::test_breaking"
    fake = fake_worker.side("base", tmp_path, {test: 1e-3})
    (tmp_path / "test_breaking.py").write_text(BREAKING)
    ended = gate(tmp_path, "--base-python", fake.python, "--budget", "0.001", "-p", "bench_core.plugin", test)
    assert ended.returncode == 3, ended.stderr
    assert "its process has ended (exit code 70)" in " ".join(ended.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to compare with; give --base"),
        (["--base", "nowhere"], "no revision 'nowhere'"),
        (["--base", "HEAD", "--margin", "5"], "is not a percentage"),
        (["--base", "HEAD", "--margin", "5%", "--matters", "2%"], "matters above margin"),
        (["--base", "HEAD", "--budget", "0"], "must be numbers above 0"),
        (["--base", "HEAD", "--json", "/proc/none/a"], "cannot be written"),
        (["--base", "HEAD", "--settings", "none.toml"], "none.toml: cannot be read"),
        (["--base-python", "none/python"], "is not an interpreter"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_refused_in_one_line(project, arguments, words):
    ended = gate(project, *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_folder_that_is_in_no_repository_is_refused(tmp_path):
    ended = gate(tmp_path, "--base", "HEAD", GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert ended.returncode == 2
    assert "not in a git repository" in ended.stderr
