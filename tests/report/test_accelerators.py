"""Stored runs of other accelerators than CUDA's, as reports and comparisons show them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench_core.cli import app
from bench_core.core.case import DEVICE_TITLES
from bench_core.core.machine import Gpu
from bench_core.core.records import Run
from bench_core.report import write
from bench_core.report.content import analyze, content
from bench_core.storage import files
from tests.support import factory
from tests.support.pages import Page

KINDS = [kind for kind in DEVICE_TITLES if kind not in ("cpu", "cuda")]


def stored(kind: str, path: Path, started: str = "2026-01-02T03:04:05+00:00") -> Run:
    """A sweep, its ladder and its trainings on the CPU and on an accelerator of a kind, read from their file."""
    devices = ("cpu", kind)
    machine = factory.machine(gpus=(Gpu("Synthetic GPU", 12 * 2**30, ""),), driver=None, cuda=None, cudnn=None)
    records = factory.sweep(devices=devices, batches=(8, 64, 512), costs={kind: factory.GPU})
    ladder, learning = factory.ladder(devices), factory.learning(devices)
    run = factory.run(records, machine, started, ladder=ladder, learning=learning, path=path)
    return files.load(factory.store(run, path))


@pytest.mark.parametrize("kind", KINDS)
def test_studies_name_the_accelerator(kind: str, tmp_path: Path) -> None:
    studies = content(analyze([stored(kind, tmp_path / "0001_run.json")])).studies
    words, title = " ".join(sentence for study in studies for sentence in study.sentences), DEVICE_TITLES[kind]
    for sentence in (
        f"{title}: the first rung reports 16.1 ms per step, the last 230 µs",
        "By the first rung the GPU is 0.447× as fast as the CPU; by the last, 2.48×.",
        f"the CPU takes 105 ms (150 steps); the {title} takes 42.0 ms (150 steps). The GPU reaches it 2.50×",
    ):
        assert sentence in words


def test_a_run_of_an_apple_gpu_is_reported(tmp_path: Path) -> None:
    page = write([stored("mps", tmp_path / "0001_run.json")], tmp_path / "report")
    assert page.exists()
    written = Page(page.read_text(encoding="utf-8"))
    assert "Apple GPU: the first rung reports" in written.text
    assert ["GPU", "Synthetic GPU, 12.0 GiB"] in written.rows
    assert "compute capability" not in written.text
    assert any("Apple GPU" in row for row in written.rows), "the device's column"
    plots = {path.name for path in (tmp_path / "report/plots").iterdir()}
    assert {"ladder_speedup_A.png", "overview_speedup.png"} <= plots


@pytest.mark.parametrize("kind", KINDS)
def test_two_runs_are_compared(kind: str, tmp_path: Path) -> None:
    base = stored(kind, tmp_path / "0001_base.json")
    head = stored(kind, tmp_path / "0002_head.json", started="2026-02-02T00:00:00+00:00")
    result = CliRunner().invoke(app, ["compare", str(base.path), str(head.path)])
    assert result.exit_code == 0, result.output
    of_kind = [record.case.id for record in base.records if record.case.device == kind]
    assert of_kind
    for case in of_kind:
        assert f" {case}" in result.output
