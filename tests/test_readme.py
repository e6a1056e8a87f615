"""The examples of the README do what it says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example(beginning):
    """The one Python example that begins with these words."""
    (found,) = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if code.startswith(beginning)]
    return found


@pytest.fixture
def checkout(tmp_path):
    for part in ("bench_core", "benchmarks"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def python(*arguments, cwd):
    result = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_workload_of_the_readme_is_found_and_measured(checkout):
    (checkout / "bench_core/workloads/softmax.py").write_text(example('"""Softmax'))
    (checkout / "benchmarks/test_softmax.py").write_text(example("import pytest"))
    output = python(
        "-m", "pytest", "benchmarks", "--bench-workload", "softmax", "--bench-max-time", "0.05", cwd=checkout
    )
    assert "softmax-cpu-b4096-fp32-eager" in output
    assert re.search(r"\b4 passed\b", output)
    assert "Softmax of rows of 1,000 numbers." in python("-m", "bench_core", "list", cwd=checkout)


def test_the_fixtures_of_the_readme_work_in_another_project(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    step = "def build_my_step(device):\n    return lambda: sum(range(100))\n\n\n"
    (tmp_path / "test_mine.py").write_text(step + example("def test_my_model"))
    output = python("-m", "pytest", "-p", "bench_core.plugin", cwd=tmp_path)
    assert re.search(r"\b[1-9] passed\b", output)


def test_measuring_without_pytest_as_the_readme_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert "target" in python("-c", example("from bench_core import Case, measure"), cwd=tmp_path)


def test_every_option_the_readme_names_exists_and_none_is_left_out():
    from bench_core.plugin import OPTIONS

    named = set(re.findall(r"`--bench-([a-z-]+)", README))
    assert named == {name for name, _, _ in OPTIONS}
