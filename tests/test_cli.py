"""The command line, as its users start it: in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench_core import workloads
from bench_core.core import errors, records
from bench_core.storage.files import KEY
from tests.support import factory
from tests.support.processes import python

ROOT = Path(__file__).parents[1]


ENVIRON = {
    "PATH": "/usr/bin:/bin",
    "PYTHONPATH": str(ROOT),
    "COLUMNS": "80",
    "HOME": str(Path.home()),
    "PYTHONUTF8": "1",
}


def run(*arguments, cwd=ROOT, command=("-m", "bench_core")):
    return python(*command, *map(str, arguments), cwd=cwd, environ=ENVIRON, timeout=120)


def started(*arguments, command):
    """The same from the start of an interpreter."""
    command = [sys.executable, *command, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=ENVIRON, capture_output=True, encoding="utf-8", timeout=120)


def assert_refused(result, *words):
    """Exit code 2, one or two lines, no traceback, and these words in them."""
    assert result.returncode == 2, result.stdout + result.stderr
    # In a home that cannot be written to, matplotlib reports that its cache is a temporary one.
    lines = [line for line in result.stderr.splitlines() if line.strip() and "matplotlib" not in line]
    assert 1 <= len(lines) <= 2, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def small_run(**facts):
    """A run of a single batch, whose report has next to no plots: each takes a quarter of a second."""
    return factory.run(factory.sweep(batches=(8,), one_thread_at=8), **facts)


@pytest.fixture
def stored(tmp_path):
    return factory.store(small_run(), tmp_path / "runs" / "0001_base.json")


@pytest.mark.parametrize("command", ["--help", "report --help", "compare --help", "report", "compare", "history"])
def test_reading_commands_do_not_import_torch(command, stored, tmp_path):
    arguments = command.split()
    if command in ("report", "history"):
        arguments += [str(stored), "--out", str(tmp_path / "out")]
    if command == "compare":
        arguments += [str(stored), str(stored)]
    code = (
        "import sys, bench_core.cli as cli\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    print('exit code', end.code or 0)\n"
        "print('torch' if 'torch' in sys.modules else 'no torch')"
    )
    result = started(*arguments, command=("-c", code))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == ["exit code 0", "no torch"]
    assert (tmp_path / "out" / "index.html").is_file() == (command in ("report", "history"))


def test_list_names_every_workload_within_80_columns():
    result = run("list")
    assert result.returncode == 0
    for name in workloads.names():
        assert re.search(rf"^{name}\b", result.stdout, re.MULTILINE)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "cpu batches   1, 8, 32, 128 (full sweep)" in result.stdout


def test_doctor_shows_devices_cores_versions_load_and_counters():
    result = run("doctor")
    assert result.returncode == 0, result.stderr
    for word in ("CPU", "GPU", "usable cores", "torch", "load", "energy"):
        assert word in result.stdout


def test_report_writes_its_files_and_says_where(stored, tmp_path):
    out = tmp_path / "out"
    result = run("report", stored, "--out", out)
    assert result.returncode == 0, result.stderr
    assert str(out / "index.html") in result.stdout
    for name in ("index.html", "report.md", "speedups.csv"):
        assert (out / name).stat().st_size > 0


def test_report_finds_the_runs_of_the_checkout_by_itself(tmp_path):
    factory.store(small_run(), tmp_path / "results" / "machine" / "id" / "0001_a.json")
    reference = small_run(on=factory.machine(cpu="Reference CPU"))
    factory.store(reference, tmp_path / "results" / "reference" / "0001_b.json")
    assert run("report", cwd=tmp_path).returncode == 0
    assert "Reference CPU" not in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_without_own_runs_the_reference_runs_are_reported(tmp_path):
    reference = small_run(on=factory.machine(cpu="Reference CPU"))
    factory.store(reference, tmp_path / "results" / "reference" / "0001_b.json")
    assert run("report", cwd=tmp_path).returncode == 0
    assert "Reference CPU" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def bad_inputs(stored, tmp_path):
    """A folder with files and folders that are not stored runs."""
    folder = tmp_path / "inputs"
    (folder / "empty").mkdir(parents=True)
    (folder / "text.json").write_text("hello")
    (folder / "other.json").write_text('{"benchmarks": []}')
    (folder / "truncated.json").write_text(stored.read_text()[:500])
    document = json.loads(stored.read_text())
    document[KEY]["schema"] = records.SCHEMA + 1
    (folder / "newer.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["report", "empty"], ["empty: has no stored run", "--benchmark-autosave"], id="empty-folder"),
        pytest.param(["report", "nowhere"], ["nowhere: does not exist"], id="nothing-there"),
        pytest.param(["report", "text.json"], ["text.json: is not complete JSON"], id="text"),
        pytest.param(["report", "other.json"], ["other.json", "has no bench-core run"], id="other-json"),
        pytest.param(["report", "truncated.json"], ["truncated.json: is not complete JSON"], id="truncated"),
        pytest.param(["report", "newer.json"], ["newer.json", "update bench-core"], id="newer-schema"),
        pytest.param(["report", "x" * 300], ["File name too long"], id="unreadable"),
        pytest.param(["report"], ["results: no such folder here"], id="no-results"),
        pytest.param(["compare", "other.json", "text.json"], ["other.json: has no bench-core run"], id="compare"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(bad_inputs, arguments, words):
    assert_refused(run(*arguments, cwd=bad_inputs), *words)


def test_compare_names_the_side_that_cannot_be_read(stored, bad_inputs):
    assert_refused(run("compare", stored, bad_inputs / "text.json"), "text.json: is not complete JSON")


@pytest.mark.parametrize("value", ["NaN", "0.0", "-1e-3", "Infinity"])
def test_a_stored_time_that_is_not_above_0_is_refused(stored, value):
    first = json.loads(stored.read_text())["benchmarks"][0]["extra_info"][KEY]["timing"]["samples"][0]
    stored.write_text(stored.read_text().replace(str(first), value, 1))
    assert_refused(run("report", stored), "0001_base.json", "samples")


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        pytest.param("file", "is a file", id="file"),
        pytest.param("file/below", "Not a directory", id="below-a-file"),
        pytest.param("x" * 300, "File name too long", id="too-long"),
    ],
)
def test_an_output_that_cannot_be_written_loses_nothing(stored, tmp_path, out, reason):
    file = tmp_path / "file"
    file.write_text("precious")
    assert_refused(run("report", stored, "--out", tmp_path / out), f"{tmp_path / out}: ", reason)
    assert file.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "runs"]


RAISE_INSIDE = """
import sys
from importlib import import_module

module, function, error = sys.argv[1:4]
del sys.argv[1:4]

def fails(*arguments, **options):
    raise eval(error)

setattr(import_module(module), function, fails)
import bench_core.core.errors as errors
from bench_core.cli import main

main()
"""
"""A command line in which a function raises an error."""


def run_raising(error, command, stored, out):
    module, function, *arguments = {
        "compare": ("bench_core.analysis.run_comparison", "compare_two", error, "compare", stored, stored),
        "report": ("bench_core.report", "write", error, "report", stored, "--out", out),
    }[command]
    return run(module, function, *arguments, command=("-c", RAISE_INSIDE))


@pytest.mark.parametrize("command", ["compare", "report"])
@pytest.mark.parametrize("error", ["ValueError('a bug')", "KeyError('a bug')", "errors.ParityError('a bug')"])
def test_a_bug_keeps_its_traceback_and_is_not_exit_code_2(command, error, stored, tmp_path):
    result = run_raising(error, command, stored, tmp_path / "out")
    assert result.returncode not in (0, 2)
    assert "Traceback" in result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert error.partition("(")[0].removeprefix("errors.") in last
    assert "a bug" in last


RAISE_EACH = """
import bench_core.analysis.run_comparison as module
import bench_core.core.errors as errors
from bench_core.cli import main

for kind in vars(errors).values():
    if isinstance(kind, type) and issubclass(kind, errors.BenchError):
        def fails(*arguments, **options):
            raise kind("what is wrong,\\nand the fix")

        module.compare_two = fails
        try:
            main()
        except SystemExit as end:
            print(kind.__name__, end.code)
"""
"""A command line in which a function raises each error of bad input in turn."""


def test_every_error_of_bad_input_is_one_line_and_exit_code_2(stored):
    result = run("compare", stored, stored, command=("-c", RAISE_EACH))
    kinds = {kind.__name__ for kind in errors.BenchError.__subclasses__()} | {"BenchError"}
    ended = dict(line.split() for line in result.stdout.splitlines())
    assert kinds <= ended.keys()
    assert set(ended.values()) == {"2"}
    assert result.stderr == "bench-core: what is wrong, and the fix\n" * len(ended)


CLOSED_OUTPUT = """
import os, sys
from bench_core.cli import main

read_end, write_end = os.pipe()
os.close(read_end)
sys.stdout = open(write_end, "w", encoding="utf-8")
main()
"""


def test_a_closed_output_ends_the_command_without_a_message_or_exit_code_1():
    result = run("list", "--markdown", command=("-c", CLOSED_OUTPUT))
    assert result.stderr == ""
    assert result.returncode == -signal.SIGPIPE  # not 1, which means too slow


@pytest.mark.parametrize("arguments", [["nope"], ["report", "--nope"]], ids=["command", "option"])
def test_unknown_commands_and_options_exit_with_2(arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert arguments[-1] in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("encoding", "unit"), [("utf-8", "µs"), ("ascii", "us"), ("cp1252", "µs")])
def test_units_are_written_in_any_encoding(stored, encoding, unit):
    command = [sys.executable, "-m", "bench_core", "compare", str(stored), str(stored)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    result = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert unit in result.stdout.decode(encoding)
