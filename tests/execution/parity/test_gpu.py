"""What only a GPU can show: that fp32 means fp32 there, and that every workload agrees with float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench_core import Case, workloads
from bench_core.core.errors import ParityError
from bench_core.execution.parity import gate
from bench_core.hardware import precision
from bench_core.hardware.device import Device, resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.workloads.kit import building
from tests.support import parity

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.usefixtures("one_cache"),
]

LIGHT = [
    w.name
    for w in map(workloads.get, workloads.names())
    if not w.heavy and not w.no_parity and not w.over_ranks and w.batch_sizes("cuda", "full")
]


@pytest.mark.parametrize("variant", ["eager", "cuda_graph"])
@pytest.mark.parametrize("name", LIGHT)
def test_light_workload_agrees_with_float64(name: str, variant: str) -> None:
    case = Case(name, device="cuda", batch_size=4, variant=variant)
    reason = building.why_unsupported(workloads.get(name), case)
    if reason:
        pytest.skip(reason)
    result = parity.check(case)
    assert result.error <= result.tolerance


@pytest.mark.parametrize(
    ("case", "backend"),
    [
        (Case("gemm", device="cuda", batch_size=1024), "cuda.matmul"),
        (Case("conv2d_grid", device="cuda", batch_size=16), "cudnn.conv"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.workload,
)
def test_tf32_set_after_the_guard_is_caught(case: Case, backend: str) -> None:
    parity.check(case)
    step = workloads.build(case)
    clock = TF32Clock(resolve(step.devices), backend)
    try:
        with pytest.raises(ParityError, match=r"outputs: relative error .* exceeds the fp32 tolerance"):
            gate.check_first_call(workloads.get(case.workload), case, step, clock)
    finally:
        precision.Guard.active = None
        precision.Guard.ensure(precision.settings_for("fp32"))


class TF32Clock(SynchronizedClock):
    """Sets a backend to TF32 right before the first call, when the guard has set its own precision."""

    def __init__(self, devices: tuple[Device, ...], backend: str) -> None:
        super().__init__(devices)
        self._backend = backend

    def first_call(self, fn: Callable[[], Any]) -> tuple[float, Any]:
        precision.BACKENDS[self._backend].fp32_precision = "tf32"
        return super().first_call(fn)


@pytest.mark.parametrize("dtype", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["gemm", "conv2d_grid"])
def test_other_dtypes_are_less_exact_but_within_their_tolerance(name: str, dtype: str) -> None:
    less, more = (parity.check(Case(name, device="cuda", batch_size=64, dtype=d)) for d in (dtype, "fp32"))
    assert less.error > 10 * more.error
