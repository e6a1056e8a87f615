"""A project of somebody else, with two commits of which the second made one of its functions 10% slower, is gated."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repositories import committed

PrintLine = Callable[[str], None]

ROOT = Path(__file__).parents[2]
MODULE = """
import torch

WEIGHTS = torch.rand(256, 256)


def layers(x, count):
    for _ in range(count):
        x = torch.tanh(x @ WEIGHTS)
    return x


def slower(x):
    return layers(x, {count})


def kept(x):
    return layers(x, 10)
"""
TESTS = """
import pytest
import torch
from speed_of_mine import model


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["slower", "kept"])
def test_speed(device_benchmark, name):
    x = torch.rand(64, 256)
    device_benchmark(lambda: getattr(model, name)(x), units=64)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with its code in ``src``: ten layers at first, then eleven."""
    top = tmp_path / "project"
    package, tests = top / "src" / "speed_of_mine", top / "tests" / "speed"
    package.mkdir(parents=True)
    tests.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tests / "test_speed.py").write_text(TESTS)
    for count in (10, 11):
        (package / "model.py").write_text(MODULE.format(count=count))
        committed(top, f"{count} layers")
    return top


def test_the_function_that_became_slower_is_named_and_the_other_is_not(
    project: Path, tmp_path: Path, print_line: PrintLine
) -> None:
    out = tmp_path / "gate.json"
    command = [sys.executable, "-m", "bench_core", "gate", "--base", "HEAD^1", "--json", str(out), "tests/speed"]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    environ = os.environ | {"PYTHONPATH": paths, "PYTEST_ADDOPTS": "-p bench_core.plugin"}
    ended = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)
    assert out.exists(), ended.stderr
    result = json.loads(out.read_text())
    cases = {case["name"].partition("[")[2].partition("]")[0]: case for case in result["cases"]}
    for name, case in cases.items():
        low, high = case["time"]["interval"]
        print_line(
            f"{name}: {case['verdict']}, {case['time']['ratio']:.3f} [{low:.3f}, {high:.3f}] after "
            f"{len(case['pairs'])} pairs; all {result['seconds']:.0f} s"
        )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert cases["slower"]["verdict"] == "SLOWER"
    assert cases["kept"]["verdict"] not in ("SLOWER", "FASTER")
