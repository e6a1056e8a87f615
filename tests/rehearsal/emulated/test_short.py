"""A case of every kind of work on emulated GPUs, from its build to its record."""

from dataclasses import replace

import pytest

from bench_core import Case, workloads
from bench_core.core.case import Effort
from bench_core.execution.runner import run_case
from tests.rehearsal.rehearse import BATCH, SMALL, shrink, small

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

CASES = [
    Case("mlp_train"),
    Case("ann_train", variant="cuda_graph"),
    Case("mlp_infer", dtype="fp16"),
    Case("gemm", dtype="tf32"),
    Case("gemm", batch_size=1024, caches="cold"),
    Case("activations_losses", setting="cross_entropy", variant="cuda_graph"),
    Case("conv2d_grid", setting="k3s1p1-16x16", dtype="bf16", variant="channels_last"),
    Case("conv2d_grid", setting="k3s1p1-16x16", variant="channels_last+cudnn_benchmark"),
    Case("cnn_mnist_train", variant="fused+cudnn_benchmark"),
    Case("gan_step", variant="cuda_graph+fused"),
    Case("gru_ar_train"),
    Case("lstm_ar_train", dtype="bf16", variant="cuda_graph"),
    Case("lstm_ar_infer", setting="rolling20", variant="cuda_graph"),
    Case("mlp_accuracy", setting="per-sample"),
    Case("vae_train", variant="cuda_graph"),
    Case("ar_ols_batched", dtype="default"),
    Case("csv_loader"),
    Case("csv_loader", setting="tensors-per-item"),
    Case("mnist_epoch_e2e", setting="resident", dtype="bf16"),
    Case("transfer", setting="h2d-pageable"),
    Case("transfer", setting="d2h-pinned"),
    Case("model_parallel_toy"),
]
EFFORT = Effort(rel_ci=0.5, max_time=0.02)


def measured(case):
    w = small(workloads.get(case.workload))
    batch = SMALL.get(w.name, BATCH) if case.batch_size == 1 else case.batch_size
    return w, *run_case(w, replace(case, device="cuda", batch_size=batch), EFFORT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_checked_and_measured(case, monkeypatch):
    shrink(monkeypatch)
    w, measurement, record = measured(case)
    assert record.case.device == "cuda"
    assert measurement.median > 0
    assert record.peak_memory > 0
    if w.no_parity:
        assert record.parity is None
    else:
        assert record.parity.error <= record.parity.tolerance
    assert (record.stages is not None) == (w.kind == "pipeline" and w.name != "model_parallel_toy")
    if w.name == "model_parallel_toy":
        assert record.device_model == "Emulated H200 + Emulated H200"
        assert "several devices" in record.unavailable["device_time"]
    else:
        assert record.device_model == "Emulated H200"
        assert measurement.device_time > 0


def test_a_model_is_split_over_the_host_where_there_is_one_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    _, _, record = measured(Case("model_parallel_toy"))
    assert record.device_model.startswith("Emulated H200 + ")
    assert "Emulated" not in record.device_model.removeprefix("Emulated H200 + ")
