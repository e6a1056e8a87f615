"""Each part of the package imports only what pyproject.toml declares for it, and says which extra is missing."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from bench_core import Case, workloads
from bench_core.core.errors import CaseSkipped, MissingExtraError
from bench_core.core.extras import EXTRAS, needs
from bench_core.core.version import __version__
from bench_core.execution.skips import machine_limits_are_skips
from bench_core.hardware import doctor, machine
from tests.support.factory import run, store

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PARTS = {
    "bench_core/report": ("report",),
    "bench_core/execution/studies": ("workloads",),
    "bench_core/workloads": ("workloads", "series"),
}
"""The folders that may import packages of extras. All else in bench_core gets by with the dependencies alone."""
COMES_WITH = {"triton": "torch"}
"""Modules of packages that a declared package installs for its own use and documents."""

# As a program's first lines: the packages of the extras are not installed.
BLOCK = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted({module for modules in EXTRAS.values() for module in modules})!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras):
    """The names of the packages that the dependencies and these extras declare, with the extras that they include."""
    names = set()
    pending = [*PROJECT["dependencies"]]
    for extra in extras:
        pending += PROJECT["optional-dependencies"][extra]
    while pending:
        ((name, included),) = re.findall(r"^([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?", pending.pop())
        if name == PROJECT["name"]:
            for extra in included.split(","):
                pending += PROJECT["optional-dependencies"][extra.strip()]
        else:
            names.add(canonical(name))
    return names


@cache
def distributions():
    return packages_distributions()


def third_party(folder, *, apart_from=()):
    """The packages that the files below a folder import anywhere, also for annotations alone, each with its files."""
    own = {
        "bench_core",
        "tests",
        "benchmarks",
        "docs",
        *(path.stem for path in (ROOT / "benchmarks/proofs").glob("*.py")),
    }
    used: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        if where.startswith(tuple(f"{part}/" for part in apart_from)):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for module in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - own:
                module = COMES_WITH.get(module, module)
                (package,) = set(distributions().get(module, [f"none for module {module}"]))
                used.setdefault(canonical(package), []).append(where)
    return used


def python(code, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_code_outside_the_parts_with_extras_imports_exactly_the_declared_dependencies():
    assert third_party("bench_core", apart_from=PARTS).keys() == declared()


@pytest.mark.parametrize("folder", PARTS)
def test_a_part_imports_only_the_dependencies_and_its_extras(folder):
    assert third_party(folder).keys() <= declared(*PARTS[folder])


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_package_of_an_extra_is_imported_by_a_part_that_it_is_for(extra):
    used = {package for folder, extras in PARTS.items() if extra in extras for package in third_party(folder)}
    assert declared(extra) - declared() <= used


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "docs"])
def test_tests_benchmarks_and_examples_import_only_what_dev_declares(folder):
    assert third_party(folder).keys() <= declared("dev")


def test_error_messages_know_the_extras_and_packages_of_pyproject():
    by_extra = {
        extra: {canonical(package) for module in modules for package in distributions()[module]}
        for extra, modules in EXTRAS.items()
    }
    assert by_extra == {extra: declared(extra) - declared() for extra in EXTRAS}
    assert declared("all") == declared(*EXTRAS)
    assert declared("all") <= declared("dev")


IMPORTED = (
    "bench_core.plugin",
    "bench_core.execution.fixture",
    "bench_core.timing.sampling, bench_core.timing.stages, bench_core.timing.stopping, bench_core.timing.replay",
    "bench_core.cli, bench_core.storage.files, bench_core.hardware.doctor",
    "bench_core.analysis.comparison, bench_core.report.comparing",
    "bench_core.workloads; bench_core.workloads.registry()",
)
MEASURING = "import pytest; sys.exit(pytest.main(['--bench-device=cpu', '--bench-max-time=0.05', *OPTIONS]))"
WITHOUT_MSGSPEC = """
from pathlib import Path
sys.modules['msgspec'] = None
from bench_core.storage import files, index
print(len(files.load(Path('0001_run.json')).records), index.index([Path('0001_run.json')]).notes)
"""
OPTIONS = ("-p", "bench_core.plugin", "-p", "no:cacheprovider")
USER = """
import torch

def test_mine(device_benchmark, bench_device):
    a = torch.ones(8, 8)
    m = device_benchmark(lambda: a @ a, device=bench_device, units=8)
    assert m.median > 0
"""
FORKING = f"""
import os, torch, traceback

def run(program):
    try:
        exec(program, {{"sys": sys, "OPTIONS": {OPTIONS!r}}})
    except SystemExit as end:
        return end.code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for number, program in enumerate(sys.argv[1:]):
    process = os.fork()
    if process == 0:
        output = os.open(f"{{number}}.txt", os.O_CREAT | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = run(program)
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
"""Runs each of its arguments in a process of its own, since torch, which all need, takes seconds to load."""


@pytest.fixture(scope="module")
def without_extras(tmp_path_factory):
    """Programs that ran without any extra: the exit code and the output of each."""
    folder = tmp_path_factory.mktemp("programs")
    programs = [*(f"import {modules}" for modules in IMPORTED), MEASURING, WITHOUT_MSGSPEC]
    (folder / "test_mine.py").write_text(USER)
    store(run(), folder / "0001_run.json")
    result = python(FORKING, *programs, cwd=folder)
    codes = map(int, result.stdout.split())
    ended = [(code, (folder / f"{number}.txt").read_text()) for number, code in enumerate(codes)]
    return dict(zip(programs, ended, strict=True))


@pytest.mark.parametrize("modules", IMPORTED)
def test_modules_are_imported_without_any_extra(modules, without_extras):
    code, output = without_extras[f"import {modules}"]
    assert code == 0, output


def test_the_fixtures_measure_a_users_step_without_any_extra(without_extras):
    code, output = without_extras[MEASURING]
    assert code == 0, output
    assert "1 passed" in output


def test_stored_runs_are_read_without_msgspec(without_extras):
    code, output = without_extras[WITHOUT_MSGSPEC]
    assert code == 0, output
    count, notes = output.split(maxsplit=1)
    assert int(count) == len(run().records)
    assert "cannot be kept, so all of them are read each time (msgspec is not installed)" in notes


@pytest.mark.parametrize(("command", "what"), [("report", "the report"), ("history", "the page of the history")])
def test_report_without_its_extra_is_one_line_that_names_the_extra(command, what, tmp_path):
    path = store(run(), tmp_path / "0001_run.json")
    result = python("from bench_core.cli import main; main()", command, str(path), cwd=tmp_path)
    assert result.returncode == 2
    assert re.fullmatch(
        rf"bench-core: {what} needs the extra 'report': in the checkout of bench-core, pip install '\.\[report\]' "
        r"\(no module (jinja2|matplotlib|pandas)\)\n",
        result.stderr,
    )


def test_a_workload_without_its_extra_names_the_extra_and_is_skipped_in_a_sweep(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    message = (
        r"workload resnet50_infer needs the extra 'workloads': in the checkout of .* pip install '\.\[workloads\]'"
    )
    with pytest.raises(MissingExtraError, match=message):
        workloads.build(Case("resnet50_infer"))
    with pytest.raises(CaseSkipped, match=message), machine_limits_are_skips():
        workloads.build(Case("resnet50_infer"))


def test_a_module_that_no_extra_installs_is_reported_as_it_is():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), needs("report", "the report"):
        import_module("no_such_module")


def test_without_nvidia_ml_py_no_driver_is_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert machine.fingerprint.__wrapped__().driver is None
    assert "GPU energy and clock counters" in [check.what for check in doctor.examine()]


def test_the_wheel_has_the_version_the_marker_of_types_templates_and_data(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "bench_core", source / "bench_core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path)
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, source], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"bench_core-{__version__}-py3-none-any.whl"
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "bench_core").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"bench_core/py.typed", "bench_core/report/page/templates/index.html.j2"} <= files
    assert files <= set(zipfile.ZipFile(wheel).namelist())
