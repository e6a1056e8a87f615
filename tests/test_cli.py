import json
import re
import subprocess
import sys
from pathlib import Path

import factory
import pytest

from bench_core import workloads
from bench_core.core import records
from bench_core.core.case import Case
from bench_core.core.records import KEY

ROOT = Path(__file__).parents[1]


def run(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "bench_core", *map(str, arguments)],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "80", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def refused(result, *words):
    """Exit code 2, one or two lines, no traceback, and these words in them."""
    assert result.returncode == 2, result.stdout + result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert 1 <= len(lines) <= 2, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    return True


@pytest.fixture
def stored(tmp_path):
    return factory.store(factory.run(), tmp_path / "runs" / "0001_base.json")


def slowed(factor, path, only=None):
    """The synthetic run again, its calls ``factor`` times as long."""
    made = []
    for record in factory.run().records:
        f = factor if only is None or record.case.workload == only else 1.0
        t = record.timing
        changed = {
            "median": t.median * f,
            "interval": (t.interval[0] * f, t.interval[1] * f),
            "samples": tuple(s * f for s in t.samples),
        }
        timing = type(t)(**{**vars(t), **changed})
        made.append(type(record)(**{**vars(record), "timing": timing}))
    return factory.store(factory.run(made, started="2026-02-02T00:00:00+00:00"), path)


@pytest.mark.parametrize("command", ["--help", "report --help", "compare --help", "report", "compare"])
def test_reading_commands_do_not_import_torch(command, stored, tmp_path):
    arguments = command.split()
    if command == "report":
        arguments += [str(stored), "--out", str(tmp_path / "out")]
    if command == "compare":
        arguments += [str(stored), str(stored)]
    code = (
        "import sys, bench_core.cli as cli\n"
        f"sys.argv = ['bench-core', *{arguments!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print('TORCH' if 'torch' in sys.modules else 'LIGHT')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "LIGHT"


def test_list_names_every_workload_within_80_columns():
    result = run("list")
    assert result.returncode == 0
    for name in workloads.names():
        assert re.search(rf"^{name}\b", result.stdout, re.MULTILINE)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "cpu batches   1 (full sweep), 4 (full sweep)" in result.stdout


def test_doctor_tells_of_devices_cores_versions_load_and_counters():
    result = run("doctor")
    assert result.returncode == 0, result.stderr
    for word in ("CPU", "GPU", "usable cores", "torch", "load", "energy"):
        assert word in result.stdout


def test_a_run_compared_with_itself_is_the_same(stored):
    result = run("compare", stored, stored)
    assert "Descriptive" in result.stdout
    verdicts = {line.split()[0] for line in result.stdout.splitlines() if "mlp_train-" in line}
    assert verdicts <= {"SAME", "UNCLEAR"}
    assert result.returncode == (3 if "UNCLEAR" in verdicts else 0)


def test_a_slower_run_ends_with_1_and_names_the_cases(stored, tmp_path):
    result = run("compare", stored, slowed(1.5, tmp_path / "head.json"))
    assert result.returncode == 1
    lines = [line for line in result.stdout.splitlines() if line.startswith("SLOWER")]
    assert len(lines) == len(factory.run().records)


def test_a_faster_run_ends_with_0(stored, tmp_path):
    result = run("compare", stored, slowed(0.5, tmp_path / "head.json"))
    assert result.returncode == 0
    assert "SLOWER" not in result.stdout.replace("is FASTER", "")


def test_a_missing_case_ends_with_3(tmp_path):
    timing = factory.timing(1e-3, spread=0.001)
    whole = [factory.record(Case("mlp_train", batch_size=b), timing=timing) for b in (1, 8)]
    base = factory.store(factory.run(whole), tmp_path / "base.json")
    head = factory.store(factory.run(whole[:1]), tmp_path / "head.json")
    result = run("compare", base, head)
    assert result.returncode == 3
    assert "MISSING  mlp_train-cpu-b8" in result.stdout


def test_report_writes_its_files_and_says_where(stored, tmp_path):
    out = tmp_path / "out"
    result = run("report", stored, "--out", out)
    assert result.returncode == 0, result.stderr
    assert str(out / "index.html") in result.stdout
    for name in ("index.html", "report.md", "speedups.csv"):
        assert (out / name).stat().st_size > 0


def test_report_finds_the_runs_of_the_checkout_by_itself(tmp_path):
    factory.store(factory.run(), tmp_path / "results" / "machine" / "id" / "0001_a.json")
    reference = factory.run(on=factory.machine(cpu="Reference CPU"))
    factory.store(reference, tmp_path / "results" / "reference" / "0001_b.json")
    assert run("report", cwd=tmp_path).returncode == 0
    assert "Reference CPU" not in (tmp_path / "report" / "index.html").read_text()


def test_without_own_runs_the_reference_runs_are_reported(tmp_path):
    reference = factory.run(on=factory.machine(cpu="Reference CPU"))
    factory.store(reference, tmp_path / "results" / "reference" / "0001_b.json")
    assert run("report", cwd=tmp_path).returncode == 0
    assert "Reference CPU" in (tmp_path / "report" / "index.html").read_text()


def test_bad_input_gets_one_line_and_exit_code_2(stored, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "other.json").write_text('{"benchmarks": []}')
    truncated = tmp_path / "truncated.json"
    truncated.write_text(stored.read_text()[:500])
    newer = tmp_path / "newer.json"
    document = json.loads(stored.read_text())
    document[KEY]["schema"] = records.SCHEMA + 1
    newer.write_text(json.dumps(document))

    assert refused(run("report", empty), str(empty), "--benchmark-autosave")
    assert refused(run("report", tmp_path / "nowhere"), "does not exist")
    assert refused(run("report", tmp_path / "text.json"), "text.json", "JSON")
    assert refused(run("report", tmp_path / "other.json"), "other.json", "bench-core")
    assert refused(run("report", truncated), "truncated.json", "not whole JSON")
    assert refused(run("report", newer), "newer.json", "update bench-core")
    assert refused(run("compare", stored, tmp_path / "text.json"), "text.json")
    assert refused(run("report", cwd=empty), "results")


@pytest.mark.parametrize("value", ["NaN", "0.0", "-1e-3", "Infinity"])
def test_times_that_are_none_are_refused(stored, value):
    first = json.loads(stored.read_text())["benchmarks"][0]["extra_info"][KEY]["timing"]["samples"][0]
    stored.write_text(stored.read_text().replace(str(first), value, 1))
    assert refused(run("report", stored), "0001_base.json", "samples")


def test_an_output_that_cannot_be_written_loses_nothing(stored, tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    assert refused(run("report", stored, "--out", file), str(file))
    assert refused(run("report", stored, "--out", file / "below"), "file")
    assert file.read_text() == "precious"


def test_unknown_commands_and_options_end_with_2():
    assert run("nope").returncode == 2
    assert run("report", "--nope").returncode == 2
