"""Every workload on emulated GPUs in every setting, dtype and variant: make rehearse."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench_core.core.errors import CaseSkipped
from bench_core.execution.studies.ladder import RUNGS, run_ladder
from bench_core.storage import files
from tests.rehearsal.rehearse import cases, on_cuda, rehearse, shrink, small

pytestmark = [pytest.mark.rehearsal, pytest.mark.usefixtures("one_cache", "one_thread")]

ROOT = Path(__file__).parents[3]


def parameters():
    for w in on_cuda():
        for case in cases(w):
            yield pytest.param(w, case, id=case.id)


@pytest.mark.parametrize(("w", "case"), list(parameters()))
def test_a_case_is_built_checked_and_called(w, case, monkeypatch):
    shrink(monkeypatch)
    try:
        rehearse(small(w), case)
    except CaseSkipped as skip:
        pytest.skip(str(skip))


def test_every_rung_of_the_ladder_runs():
    rungs = run_ladder("cuda", steps=3, max_time=0.05)
    assert [rung.rung for rung in rungs] == [rung.name for rung in RUNGS]
    assert {rung.device_model for rung in rungs} == {"Emulated H200"}


def test_a_sweep_over_both_devices_is_stored_and_reported(tmp_path):
    sweep = ["pytest", "benchmarks", "-q", "-p", "no:cacheprovider", f"--benchmark-storage={tmp_path / 'results'}"]
    sweep += ["--benchmark-autosave", "--bench-device=cpu,cuda", "--bench-workload=mlp_train,gemm"]
    sweep += ["--bench-batch-size=64", "--bench-max-time=0.02"]
    report = ["bench_core", "report", str(tmp_path / "results"), "--emulated", "--out", str(tmp_path / "report")]
    for command in (sweep, report):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
    stored = [files.load(path) for path in (tmp_path / "results").rglob("*.json")]
    assert {record.case.device for run in stored for record in run.records} == {"cpu", "cuda"}
    assert "Emulated H200" in next((tmp_path / "report").rglob("*.html")).read_text(encoding="utf-8")
