"""The layers of the package: imports point one way. The contracts are in pyproject.toml."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in (ROOT / "bench_core").glob("*/__init__.py"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def lint_imports(folder):
    """Import-linter on the package in a folder: its exit code, and its output, whose lines are not broken."""
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or "lint-imports"
    wide = os.environ | {"COLUMNS": "200"}
    run = subprocess.run([tool, "--no-cache"], cwd=folder, env=wide, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def test_imports_of_this_checkout_keep_every_contract():
    returncode, output = lint_imports(ROOT)
    assert returncode == 0, output
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in output


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        pytest.param("core/stats.py", "from bench_core.report import write", "Layers", id="core-imports-report"),
        pytest.param("timing/clock.py", "import bench_core.storage.files", "Layers", id="timing-imports-storage"),
        pytest.param("report/content.py", "import bench_core.execution.skips", "Layers", id="report-imports-execution"),
        pytest.param("analysis/speedup.py", "import torch", "Reading stored runs", id="analysis-imports-torch"),
        pytest.param("core/stats.py", "import pandas", "Core is plain data", id="core-imports-pandas"),
        pytest.param(
            "execution/runner.py", "import pytest", "Execution and what it uses", id="execution-imports-pytest"
        ),
        pytest.param(
            "workloads/kit/flops.py", "import bench_core.workloads.dense", "Workloads", id="kit-imports-family"
        ),
        pytest.param(
            "execution/runner.py", "import bench_core.execution.session", "Execution: ", id="runner-imports-session"
        ),
        pytest.param("report/sections/study.py", "import bench_core.report.page", "Report", id="section-imports-page"),
    ],
)
def test_an_import_against_the_layers_breaks_a_contract(tmp_path, module, planted, contract):
    shutil.copytree(ROOT / "bench_core", tmp_path / "bench_core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "bench_core" / module
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{planted}\n", encoding="utf-8")
    returncode, output = lint_imports(tmp_path)
    assert returncode == 1, output
    broken = [c["name"] for c in CONTRACTS if f"{c['name']} BROKEN" in output]
    assert [name for name in broken if name.startswith(contract)]


def test_every_module_at_the_top_of_the_package_is_in_a_layer():
    (layers,) = (contract["layers"] for contract in CONTRACTS if contract["name"].startswith("Layers"))
    listed = {name.strip() for layer in layers for name in re.split(r"[|:]", layer)}
    modules = {f"bench_core.{path.stem}" for path in (ROOT / "bench_core").glob("*.py") if path.stem != "__init__"}
    assert listed == modules | {f"bench_core.{package.name}" for package in PACKAGES}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_each_packages_docstring_names_what_it_imports(package):
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    assert docstring
    assert "May import" in docstring
    named = set(re.findall(r"``(\w+)``", docstring.partition("May import")[2]))
    imported = set()
    for module in package.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            imported |= {name.split(".")[1] for name in names if name.startswith("bench_core.")}
    assert imported - {package.name} <= named
