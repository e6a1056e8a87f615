"""Where steps wait for the GPU: nowhere, unless moving data is the work."""

import pytest

from bench_core import Case, workloads
from bench_core.workloads.kit.building import build
from tests.rehearsal.rehearse import cases, on_cuda, shrink, waits_of

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

ACCURACY = "bench_core/workloads/dense/accuracy.py"
ALLOWED: dict[str, dict[tuple[str, str], str]] = {
    "mlp_accuracy": {("item", ACCURACY): "the waits are the subject: one for a batch, or one for each image"},
}
"""Waits of workloads that compute, by name: what waits and in which file, and why it has to."""
LOADERS = {
    "csv_loader": {"copy from host"},
    "mnist_epoch_e2e": {"copy from host"},
    "mnist_epoch_e2e-resident": {"copy from host"},  # the order of the images, once an epoch
    "mnist_epoch_e2e-w0-pinned": set(),
    "segmentation_pipeline": {"copy from host", "copy to host"},
    "transfer": {"copy from host"},
    "transfer-h2d-pinned": set(),
    "transfer-d2h-pageable": {"copy to host"},
    "transfer-d2h-pinned": set(),
    "model_parallel_toy": set(),  # copies between two GPUs
}
"""What pipelines wait for, by name and setting, or by name for all other settings."""
WITH_WORKERS = ("w2", "w4")


def parameters(moves_data):
    found = []
    for w in on_cuda():
        for case in cases(w):
            workers = case.setting.removeprefix("pil-").startswith(WITH_WORKERS)  # their starts take long
            plain = case.dtype == "fp32" and case.variant in ("eager", "cuda_graph") and not workers
            if plain and (w.family == "pipeline") == moves_data:
                light = (not w.heavy and w.name != "arima_fit") or w.name == "mnist_epoch_e2e"
                short = light and case.variant == "eager" and (moves_data or case.setting in ("", w.first_setting))
                marks = [] if short else [pytest.mark.rehearsal]
                found.append(pytest.param(w, case, id=case.id, marks=marks))
    return found


@pytest.mark.parametrize(("w", "case"), parameters(moves_data=False))
def test_work_does_not_wait(w, case, monkeypatch):
    shrink(monkeypatch)
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 2)  # nor does what restores the weights
    places = {tuple(wait.rpartition(":")[0].split(" at ")) for wait in waits_of(build(w, case), calls=2)}
    assert places == ALLOWED.get(w.name, {}).keys()


@pytest.mark.parametrize(("setting", "waits"), [("batched", 1), ("per-sample", 4)])
def test_an_accuracy_waits_once_for_a_batch_or_for_each_image(setting, waits):
    step = build(workloads.get("mlp_accuracy"), Case("mlp_accuracy", "cuda", 4, setting=setting))
    assert list(waits_of(step, calls=3).values()) == [3 * waits]


@pytest.mark.parametrize(("w", "case"), parameters(moves_data=True))
def test_moving_data_waits_where_it_has_to(w, case, monkeypatch):
    shrink(monkeypatch)
    if case.variant == "cuda_graph":
        pytest.skip("defined for work that takes one feed of batches")
    found = {wait.partition(" at ")[0] for wait in waits_of(build(w, case), calls=1)}
    assert found == LOADERS.get(f"{w.name}-{case.setting}", LOADERS.get(w.name))
