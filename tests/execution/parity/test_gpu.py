"""What only a GPU can show: that fp32 means fp32 there, that every workload agrees with float64, and what a clock
without synchronizing would say."""

import pytest
import torch

from bench_core import Case, workloads
from bench_core.core.errors import ParityError
from bench_core.execution.parity.gate import Gate
from bench_core.hardware import precision
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.usefixtures("one_cache"),
]

LIGHT = [
    name
    for name in workloads.names()
    if not workloads.get(name).heavy
    and not workloads.get(name).no_parity
    and workloads.get(name).batch_sizes("cuda", "full")
]


def held(case):
    step = workloads.build(case)
    gate = Gate(case, step)
    gate.after_first(step())
    return gate.result()


@pytest.mark.parametrize("variant", ["eager", "cuda_graph"])
@pytest.mark.parametrize("name", LIGHT)
def test_every_light_workload_agrees_with_float64(name, variant):
    case = Case(name, device="cuda", batch_size=4, variant=variant)
    reason = workloads.refusal(case)
    if reason:
        pytest.skip(reason)
    parity = held(case)
    assert parity.error <= parity.tolerance


@pytest.mark.parametrize(
    ("case", "backend"),
    [
        (Case("gemm", device="cuda", batch_size=1024), "cuda.matmul"),
        (Case("conv2d_grid", device="cuda", batch_size=16), "cudnn.conv"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.workload,
)
def test_tf32_set_behind_our_back_is_caught(case, backend):
    held(case)
    step = workloads.build(case)
    gate = Gate(case, step)
    precision.BACKENDS[backend].fp32_precision = "tf32"  # after the guard has set its own
    try:
        with pytest.raises(ParityError, match="outputs differ from a float64 reference"):
            gate.after_first(step())
    finally:
        precision.Guard.active = None
        precision.Guard.ensure(precision.settings_for("fp32"))


@pytest.mark.parametrize("dtype", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["gemm", "conv2d_grid"])
def test_other_dtypes_are_less_exact_but_within_their_tolerance(name, dtype):
    less, more = (held(Case(name, device="cuda", batch_size=64, dtype=d)) for d in (dtype, "fp32"))
    assert less.error > 10 * more.error


def test_a_clock_that_does_not_synchronize_sees_a_fraction():
    step = workloads.build(Case("gemm", device="cuda", batch_size=4096))
    truth, blind = SynchronizedClock(resolve("cuda")), SynchronizedClock(())
    step()
    synchronized = min(truth.block(step, 10).wall for _ in range(3))
    truth.synchronize()
    assert blind.block(step, 10).wall < 0.5 * synchronized
    truth.synchronize()
