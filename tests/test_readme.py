"""The examples of the README do what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bench_core.hardware.machine import usable_cpus
from tests.support.processes import python

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WRITTEN_FOR_0_1 = Path(__file__).parent / "data" / "softmax_0_1.py"

pytestmark = pytest.mark.usefixtures("one_cache")


def example(beginning: str) -> str:
    """The one Python example that begins with these words."""
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if code.startswith(beginning)]
    return code


def copy_checkout(folder: Path, *parts: str) -> Path:
    for part in parts:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def output_of(*arguments: str, cwd: Path) -> str:
    result = python(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout to which the workload of the README was added; nothing else was changed."""
    folder = copy_checkout(tmp_path_factory.mktemp("checkout"), "bench_core", "benchmarks", "tests")
    (file,) = re.findall(r"Save this as\n?\s*`([\w/.]+)`", README)
    (folder / file).write_text(example('"""Softmax'), encoding="utf-8")
    return folder


def test_added_workload_passes_the_tests_of_every_workload(checkout: Path) -> None:
    (command,) = re.findall(r"^pytest (tests/.* -k softmax)$", README, re.MULTILINE)
    output = output_of("-m", "pytest", "-p", "no:cacheprovider", "-q", *command.split(), cwd=checkout)
    (passed,) = re.findall(r"(\d+) passed", output)
    assert int(passed) >= 6
    assert "skipped" not in output


def test_added_workload_is_swept(checkout: Path) -> None:
    (command,) = re.findall(r"^pytest (benchmarks --bench-workload softmax)$", README, re.MULTILINE)
    output = output_of("-m", "pytest", *command.split(), "--bench-max-time", "0.02", cwd=checkout)
    assert "softmax-cpu-b4096-fp32-eager" in output
    (passed,) = re.findall(r"\b(\d+) passed\b", output)
    assert int(passed) >= 3 + (usable_cpus() > 1)


def test_added_workload_is_listed(checkout: Path) -> None:
    assert "Softmax of rows of 1,000 numbers." in output_of("-m", "bench_core", "list", cwd=checkout)
    (command,) = re.findall(r"^python (-m bench_core list --markdown) > docs/workloads.md$", README, re.MULTILINE)
    assert "### softmax" in output_of(*command.split(), cwd=checkout)


def test_workload_written_for_0_1_is_found_and_built(tmp_path: Path) -> None:
    copy_checkout(tmp_path, "bench_core")
    shutil.copy(WRITTEN_FOR_0_1, tmp_path / "bench_core" / "workloads" / "softmax.py")
    code = (
        "from bench_core import Case, workloads; print(workloads.build(Case('softmax', batch_size=4))().sum().item())"
    )
    assert float(output_of("-c", code, cwd=tmp_path)) == pytest.approx(4)


def test_fixtures_of_the_readme_work_in_another_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    step = "def build_my_step(device):\n    return lambda: sum(range(100))\n\n\n"
    (tmp_path / "test_mine.py").write_text(step + example("def test_my_model"))
    output = output_of("-m", "pytest", "-p", "bench_core.plugin", "--bench-max-time", "0.02", cwd=tmp_path)
    assert re.search(r"\b[1-9] passed\b", output)


def test_measuring_without_pytest_works_as_the_readme_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert "target" in output_of("-c", example("from bench_core import Case, measure"), cwd=tmp_path)


def test_readme_names_every_option_and_no_other() -> None:
    from bench_core.plugin.options import FLAGS, OPTIONS

    named = set(re.findall(r"`--bench-([a-z-]+)", README))
    assert named == {name for name, *_ in (*OPTIONS, *FLAGS)}
