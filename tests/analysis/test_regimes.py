"""What a call is bound by, on a device whose limits are known."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_core.analysis.regimes import CLOSE, Bound, Figures, Regime, bound
from bench_core.core.ceilings import Ceilings, MemorySpeed

COPIES = (MemorySpeed(10**6, 4e10), MemorySpeed(10**8, 1e10))
CPU = Ceilings("cpu", "test CPU", 2, {"fp32": 1e11}, COPIES, operator=2e-6, training_operator=8e-6)
GPU = replace(CPU, device="cuda", flops={"fp32": 5e13, "bf16": 8e14}, launch=2e-6, link=2e10)


def decided(figures: Figures, ceilings: Ceilings) -> Bound:
    found = bound(figures, ceilings)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("figures", "ceilings", "expected"),
    [
        (Figures(1.0, operators=3, bytes=10**7, footprint=10**7, flops=10**10), CPU, Regime.COMPUTE),
        (Figures(1.0, operators=3, bytes=10**9, footprint=10**9, flops=10**8), CPU, Regime.BANDWIDTH),
        (Figures(1e-3, operators=40, bytes=10**5, footprint=10**5, flops=10**5), CPU, Regime.HOST),
        (Figures(1e-3, issue=5e-4, operators=40, bytes=10**5, footprint=10**5), GPU, Regime.HOST),
        (Figures(1e-4, issue=1e-5, operators=40, bytes=10**5, footprint=10**5), GPU, Regime.LAUNCH),
        (Figures(1.0, loader=0.7, transfer=0.1, operators=40), CPU, Regime.LOADER),
        (Figures(1.0, loader=0.1, transfer=0.7, operators=40), CPU, Regime.TRANSFER),
        (Figures(1.0, moved=10**9, operators=40), GPU, Regime.TRANSFER),
        (Figures(1.0, flops=10**10, loader=0.095), CPU, Regime.MIXED),
        # The operators of loading are counted too: they are no more than what the other stages take.
        (Figures(1.0, operators=450_000, loader=0.6, others=0.4), CPU, Regime.LOADER),
        (Figures(1.0, operators=450_000, loader=0.2, others=0.8), CPU, Regime.HOST),
    ],
)
def test_the_longest_part_decides(figures, ceilings, expected):
    assert decided(figures, ceilings).regime is expected


def test_gradients_make_operators_longer_for_the_host():
    work = Figures(1e-3, operators=40, flops=2 * 10**7)
    assert decided(work, CPU).regime is Regime.COMPUTE
    assert decided(replace(work, training=True), CPU).regime is Regime.HOST


def test_each_dtype_has_its_own_peak():
    work = Figures(1.0, flops=10**13, bytes=10**8, footprint=10**8)
    assert decided(work, GPU).parts[Regime.COMPUTE] == pytest.approx(0.2)
    assert decided(replace(work, dtype="bf16"), GPU).parts[Regime.COMPUTE] == pytest.approx(1 / 80)
    assert Regime.COMPUTE not in decided(replace(work, dtype="fp16"), GPU).parts, "no peak, no part"


def test_without_any_part_there_is_no_regime():
    assert bound(Figures(1.0), CPU) is None


def test_bandwidth_follows_the_size_between_the_measured_ones():
    assert [CPU.bandwidth(size) for size in (1, 10**6, 10**8, 10**12)] == pytest.approx([4e10, 4e10, 1e10, 1e10])
    assert CPU.bandwidth(10**7) == pytest.approx(2e10)


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3))
def test_parts_that_are_close_are_mixed(loader, transfer):
    close = min(loader, transfer) > CLOSE * max(loader, transfer)
    found = decided(Figures(1e3, loader=loader, transfer=transfer), CPU).regime
    assert (found is Regime.MIXED) == close
