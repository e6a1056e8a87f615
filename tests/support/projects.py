"""Fixtures for tests that run pytest in a project of another's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
