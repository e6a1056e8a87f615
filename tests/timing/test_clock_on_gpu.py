"""What a clock that does not synchronize would report on a GPU."""

import os

import pytest
import torch

from bench_core import Case, workloads
from bench_core.hardware.device import resolve
from bench_core.hardware.machine import EMULATION
from bench_core.timing.clock import SynchronizedClock

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.skipif(EMULATION in os.environ, reason="an emulated GPU has done its work when the call returns"),
]


def test_clock_that_does_not_synchronize_sees_a_fraction_of_the_time() -> None:
    step = workloads.build(Case("gemm", device="cuda", batch_size=4096))
    synchronized, blind = SynchronizedClock(resolve("cuda")), SynchronizedClock(())
    step()
    seconds = min(synchronized.block(step, 10).wall for _ in range(3))
    synchronized.synchronize()
    assert blind.block(step, 10).wall < 0.5 * seconds
    synchronized.synchronize()
