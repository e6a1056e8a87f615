"""Every workload on ``cuda`` with fake tensors: is everything on the device that it has to be on?"""

import pytest
import torch

from bench_core import Case, workloads
from bench_core.core.errors import CaseSkipped
from bench_core.workloads.kit import BuildContext, Step, workload
from bench_core.workloads.kit.building import build_anywhere
from tests.rehearsal.fake_cuda import fake_cuda, repeated
from tests.rehearsal.rehearse import cases, is_typical, on_cuda, shrink

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

NEED_FIGURES = {
    "csv_loader": "its DataLoader shuffles, and reads the order of the rows from a tensor",
    "mnist_epoch_e2e": "its DataLoader shuffles, and reads the order of the images from a tensor",
    "mlp_accuracy": "it reads on the host how many images are classified correctly",
    "segmentation_pipeline-resize256-crop224": "torchvision's Normalize reads whether a deviation is 0",
    "transfer": "it pins memory, and compares what arrived with what was sent",
}
"""Fake tensors have no figures, so these workloads (or settings) cannot run on them; the emulated GPU runs them."""
ON_HOST = {"segmentation_pipeline": "cpu"}
"""Where outputs are to be, if that is not a device of the step."""


DEEPER = ("deeplabv3_r101_infer",)
"""Networks that are the same as another one, but deeper."""
CAPTURED = ("ann_train", "gan_step", "lstm_ar_infer", "conv2d_grid", "gemm")
"""Work of each kind in a CUDA graph. What others capture is what they do in eager mode, and how is the same for all."""


def takes_long(w, case):
    """Whether a case takes long and shows what others show: thousands of small steps, or a deep network, of which one
    case is enough. Of recurrent networks, settings differ in the number of steps and in size alone."""
    loop = (w.name, case.setting) in (("ar1_generate", "loop"), ("arima_fit", "scan"))
    loop |= w.family == "arma" and case.setting == "loop"
    recurrent = w.name.endswith("_ar_train") and case.setting != w.first_setting
    deep = w.name in DEEPER or (w.heavy and (case.dtype, case.variant) != ("fp32", "eager"))
    captured = case.variant == "cuda_graph" and w.name not in CAPTURED
    return loop or recurrent or deep or captured


def parameters():
    for w in on_cuda():
        for case in cases(w, "cuda:0"):
            marks = [] if is_typical(w, case) and not takes_long(w, case) else [pytest.mark.rehearsal]
            reason = NEED_FIGURES.get(f"{w.name}-{case.setting}", NEED_FIGURES.get(w.name))
            if reason and case.setting != "resident":
                marks.append(pytest.mark.skip(reason=f"fake tensors have no figures: {reason}"))
            yield pytest.param(w, case, id=case.id, marks=marks)


def step_twice(w, case):
    """The devices of a step, and its outputs."""
    with fake_cuda():
        step = build_anywhere(w, case, capture=repeated)
        step()
        output = step()
    return step.devices, list(output.values()) if isinstance(output, dict) else [output]


@pytest.mark.parametrize(("w", "case"), list(parameters()))
def test_every_tensor_is_on_the_right_device(w, case, monkeypatch):
    shrink(monkeypatch)
    try:
        devices, outputs = step_twice(w, case)
    except CaseSkipped as skip:
        pytest.skip(str(skip))
    assert outputs
    for output in outputs:
        assert str(output.device) in (ON_HOST.get(w.name), *devices)


def test_autocast_is_on():
    gemm = workloads.get("gemm")
    _, (product,) = step_twice(gemm, Case("gemm", "cuda:0", 8, dtype="bf16"))
    assert product.dtype == torch.bfloat16


def faulty(build):
    return workload(
        family="fault", kind="op", unit="element", source="here", batches={"cpu": (4,), "cuda": (4,)}, reference_batch=4
    )(build)


@faulty
def constant_left_on_the_host(ctx: BuildContext) -> Step:
    """Adds a constant that was made without naming a device."""
    inputs, constant = ctx.normal(4), torch.ones(4)
    return ctx.step(lambda: inputs + constant, units=4, flops=None, data="")


@faulty
def index_left_on_the_host(ctx: BuildContext) -> Step:
    """Selects elements by an index that was made without naming a device."""
    inputs, index = ctx.normal(4), torch.arange(2)
    return ctx.step(lambda: inputs.index_select(0, index), units=4, flops=None, data="")


@faulty
def output_on_the_host(ctx: BuildContext) -> Step:
    """Moves its result to the host."""
    inputs = ctx.normal(4)
    return ctx.step(lambda: inputs.cpu(), units=4, flops=None, data="")


@pytest.mark.parametrize("fault", [constant_left_on_the_host, index_left_on_the_host])
def test_a_tensor_on_the_host_is_reported(fault):
    with pytest.raises(RuntimeError, match="device"):
        step_twice(fault, next(cases(fault, "cuda:0")))


def test_an_output_on_the_host_is_reported(monkeypatch):
    with pytest.raises(AssertionError):
        test_every_tensor_is_on_the_right_device(
            output_on_the_host, next(cases(output_on_the_host, "cuda:0")), monkeypatch
        )
