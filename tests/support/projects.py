"""Fixtures for tests that run pytest in a project of another's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.processes import python


def run_pytest(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """``pytester.runpytest_subprocess`` in a process that has the libraries loaded; see ``processes.python``."""
    ended = python("-m", "pytest", f"--basetemp={pytester.path / 'runpytest'}", *arguments, cwd=pytester.path)
    print(ended.stdout, ended.stderr)
    return pytest.RunResult(ended.returncode, ended.stdout.splitlines(), ended.stderr.splitlines(), 0.0)


@pytest.fixture
def workloads_stay_loaded() -> None:
    """A run within this process unloads the modules that it was the first to load; other tests need the workloads'."""
    from bench_core import workloads  # imports torch, which other tests do not need

    workloads.names()


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin can be imported there, installed or not."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: no repository, no results."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return folder
