"""Kernels on a GPU: which of the profiler's events are some, and what is said where there are none."""

from types import SimpleNamespace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from bench_core.core.case import Case, Effort
from bench_core.execution.figures import Labels
from bench_core.execution.kernels import kernels_of, number_of_kernels
from bench_core.execution.runner import run_step
from bench_core.hardware.device import resolve


def event(name, on="CUDA", **more):
    return SimpleNamespace(name=name, device_type=SimpleNamespace(name=on), **more)


def test_copies_marks_and_calls_of_the_host_are_no_kernels():
    seen = [
        event("void at::native::vectorized_elementwise_kernel<4>(int)"),
        event("sm90_xmma_gemm_f32f32_tf32f32_f32", is_user_annotation=False),
        event("Memcpy HtoD (Pinned -> Device)"),
        event("Memset (Device)"),
        event("ProfilerStep#1", is_user_annotation=True),
        event("cudaLaunchKernel", on="CPU"),
    ]
    assert number_of_kernels(seen) == 2
    assert number_of_kernels([]) == 0


def test_events_of_torchs_profiler_on_a_cpu_are_no_kernels():
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        torch.ones(3) + 1
    assert len(seen.events()) > 1
    assert number_of_kernels(seen.events()) == 0


def test_a_cpu_has_no_kernels_and_the_record_says_why():
    labels = Labels("a", "op", "unit", "a test", "")
    effort = Effort(max_time=0.01, kernels=True)
    _, record = run_step(lambda: None, Case("nothing"), 1, effort, labels)
    assert record.kernels is None
    assert record.unavailable["kernels"] == "kernels are counted on CUDA devices only"
    _, unasked = run_step(lambda: None, Case("nothing"), 1, Effort(max_time=0.01), labels)
    assert "kernels" not in unasked.unavailable


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_kernels_of_known_work():
    (device,) = resolve(("cuda",))
    numbers, host = torch.ones(1000, device="cuda"), torch.ones(1000)
    found = kernels_of(lambda: (numbers + 1.0).mul_(2.0), device)
    if found.count is None:
        pytest.skip(found.missing)  # such as an emulated GPU
    assert found.count == 2
    assert kernels_of(lambda: numbers.copy_(host), device).count is None
