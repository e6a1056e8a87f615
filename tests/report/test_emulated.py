"""Runs on an emulated GPU: their times mean nothing, so they are reported only on request."""

from pathlib import Path

import pytest

from bench_core.core.errors import ReportError
from bench_core.report import write
from bench_core.report.content import analyze, content
from tests.support import factory


@pytest.mark.usefixtures("empty_plots")
def test_a_run_on_an_emulated_gpu_is_refused_unless_asked_for(tmp_path: Path) -> None:
    runs = [factory.run(), factory.run(on=factory.machine(emulated=True), path=Path("emulated.json"))]
    with pytest.raises(ReportError, match=r"emulated.json: its GPU was emulated, .*; --emulated reports it"):
        write(runs, tmp_path / "report")
    assert not (tmp_path / "report").exists()
    assert write(runs, tmp_path / "report", emulated=True).exists()


def test_a_reported_run_on_an_emulated_gpu_has_a_warning() -> None:
    warnings = content(analyze([factory.run(on=factory.machine(emulated=True))])).warnings
    assert warnings == ("The GPU of machine A was emulated: its times mean nothing.",)
    assert content(analyze([factory.run()])).warnings == ()
