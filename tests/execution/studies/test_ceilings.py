"""The ceilings of a device: what is measured, and what is kept."""

import json
from functools import partial

import pytest
import torch

from bench_core.core.ceilings import MemorySpeed
from bench_core.execution.studies import ceilings as module
from bench_core.execution.studies.ceilings import ceilings_summary, measured, run_ceilings


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "CPU_SIDES", (8, 16, 32))
    monkeypatch.setattr(module, "FOOTPRINTS", (64, 128))


def taking(seconds):
    """A stand-in for measuring: a call is made once and takes so many seconds, or, if it gives a matrix, as many as a
    function of it says."""

    def timed(fn):
        output = fn()
        if not callable(seconds):
            return seconds
        return seconds(output) if output is not None and output.dim() == 2 else 1e-3

    return timed


@pytest.mark.usefixtures("small")
def test_figures_are_work_per_second():
    found = measured("cpu", taking(1e-3))
    assert found.flops == dict.fromkeys(("fp32", "bf16", "fp16"), 2 * 32**3 / 1e-3)
    assert found.copies == (MemorySpeed(64, 64 / 1e-3), MemorySpeed(128, 128 / 1e-3))
    in_place = (MemorySpeed(64, 2 * 64 / 1e-3), MemorySpeed(128, 2 * 128 / 1e-3))
    assert found.streams == in_place, "a product in place reads and writes all that it touches"
    assert found.operator == 1e-3 / module.CHAIN
    assert 0 < found.training_operator < found.operator, "backward has operators too"
    assert (found.device, found.threads) == ("cpu", torch.get_num_threads())


@pytest.mark.usefixtures("small")
def test_the_peak_is_that_of_the_best_size():
    found = measured("cpu", taking(lambda output: 1e-2 if len(output) != 16 else 1e-3))
    assert found.flops["fp32"] == 2 * 16**3 / 1e-3


@pytest.mark.usefixtures("small")
def test_products_are_computed_in_the_dtype_and_larger_ones_not_tried_where_they_take_too_long():
    seen = []

    def seconds(output):
        seen.append((output.dtype, len(output)))
        return 1.0

    measured("cpu", taking(seconds))
    assert seen == [(torch.float32, 8), (torch.bfloat16, 8), (torch.float16, 8)]


@pytest.mark.usefixtures("small")
def test_a_dtype_that_the_machine_cannot_compute_in_has_no_ceiling(monkeypatch):
    def refused(*operands):
        raise RuntimeError("could not create a primitive descriptor")

    monkeypatch.setattr(torch, "mm", refused)
    assert measured("cpu", taking(1e-3)).flops == {}


@pytest.mark.usefixtures("small")
def test_they_are_measured_once_for_a_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))
    monkeypatch.setattr("bench_core.hardware.contention.ContentionWatch.contended", lambda self, threads: False)
    made = []

    def measure(device):
        made.append(measured(device, taking(1e-3)))
        return made[-1]

    monkeypatch.setattr(module, "measured", measure)
    monkeypatch.setattr("bench_core.hardware.machine.usable_cpus", lambda: 2)
    first = run_ceilings("cpu")
    assert [row.threads for row in first] == [2, 1]
    assert run_ceilings("cpu") == first
    assert len(made) == 2
    (file, *_) = tmp_path.rglob("*.json")
    file.write_text(json.dumps({"device": 3}))
    run_ceilings("cpu")
    assert len(made) == 3, "a damaged file is made anew"


@pytest.mark.usefixtures("small")
def test_what_was_measured_beside_other_work_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))
    monkeypatch.setattr("bench_core.hardware.contention.ContentionWatch.contended", lambda self, threads: True)
    monkeypatch.setattr(module, "measured", partial(measured, seconds=taking(1e-3)))
    rows = run_ceilings("cpu")
    assert all(row.contended for row in rows)
    assert not list(tmp_path.rglob("*.json"))
    assert ceilings_summary(rows).endswith("measured beside other work")
