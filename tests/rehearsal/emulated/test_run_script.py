"""benchmarks/gpu/run.sh from end to end on an emulated GPU: every command starts, ends and stores what it has to."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench_core.storage import files

pytestmark = pytest.mark.rehearsal

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "benchmarks" / "gpu" / "run.sh"
PARTS = {
    1: ("default",),
    2: ("again", "repeatability"),
    3: ("gpu-tests", "truth"),
    4: ("graphs", "variants"),
    5: ("dense", "dense-lstm"),
    6: ("learning", "loaders"),
    7: ("full",),
    8: ("tuned", "energy", "gate"),
}
"""The commands of each part."""
NO_SWEEP = ("repeatability", "gpu-tests", "truth", "gate")
SHORT = (
    "--bench-workload=mlp_train,gan_step --bench-batch-size=64 --bench-variant=eager,cuda_graph "
    "--bench-max-time=0.02 --bench-rel-ci=0.5"
)
"""What the emulation can do in a short time, in place of the script's own values."""


def run_part(part, out, options):
    """The exit codes of a part's commands, by their names."""
    variables = {
        "PYTHON": sys.executable,
        "BENCH_OPTIONS": options,
        "SLOWER": "10",
        "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:cacheprovider",
    }
    done = subprocess.run([SCRIPT, str(part), str(out)], env=os.environ | variables, capture_output=True, text=True)
    codes = exit_codes(out)
    assert list(codes)[-len(PARTS[part]) :] == list(PARTS[part]), done.stdout + done.stderr
    assert done.returncode == any(codes[name] for name in PARTS[part])
    return {name: codes[name] for name in PARTS[part]}


def exit_codes(out):
    with (out / "exit-codes.tsv").open() as file:
        return {name: int(code) for name, code, *_ in csv.reader(file, delimiter="\t")}


@pytest.mark.parametrize("part", [part for part in PARTS if not set(PARTS[part]) <= set(NO_SWEEP)])
def test_sweeps_take_their_options_and_have_cases_on_the_gpu(part, tmp_path):
    codes = run_part(part, tmp_path, "--collect-only -q")
    for name in set(codes) - set(NO_SWEEP):
        log = (tmp_path / f"{name}.log").read_text()
        assert codes[name] == 0, log
        assert re.search(r"test_(workload|ladder|learning)\[.*cuda", log), log
        assert name != "loaders" or "mnist_epoch_e2e-pil-w0-cuda" in log


def test_every_command_succeeds_and_what_was_stored_is_on_the_gpu_and_can_be_reported(tmp_path):
    """One test, since later parts need what earlier ones have stored."""
    for part in PARTS:
        for name, code in run_part(part, tmp_path, SHORT).items():
            check_end(name, code, (tmp_path / f"{name}.log").read_text())
    assert json.loads((tmp_path / "gate.json").read_text())["cases"]

    stored = files.load_all([tmp_path / "runs"])
    sweeps = {path.relative_to(tmp_path / "runs").parts[0] for path in (run.path for run in stored)}
    assert sweeps == {name for names in PARTS.values() for name in names} - {*NO_SWEEP}
    assert {"cpu", "cuda"} == {record.case.device for run in stored for record in run.records}
    assert {"eager", "cuda_graph"} == {record.case.variant for run in stored for record in run.records}
    assert any(run.info.studies.get("learning") for run in stored)
    check_report(tmp_path / "runs", tmp_path / "report")


def check_end(name, code, log):
    if name == "repeatability":  # emulated times need not agree
        assert re.search(r"repeatability: \S+% of [1-9]\d* cases agree", log), log
    else:
        # Two minutes may be too few for the gate to see that there is no difference.
        assert code == 0 or (name, code) == ("gate", 3), f"{name}: exit code {code}\n{log}"


def check_report(runs, out):
    report = (sys.executable, "-m", "bench_core", "report", str(runs), "--emulated", "--out", str(out))
    done = subprocess.run(report, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Emulated H200" in (out / "index.html").read_text()


def test_a_part_that_does_not_exist_is_refused(tmp_path):
    done = subprocess.run([SCRIPT, "9", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "there are 1 to 8" in done.stderr
