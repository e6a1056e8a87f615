"""The tolerances: what work on weights and inputs that are off by a backward error may be off by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench_core import Case
from bench_core.execution.parity.capture import OUTPUTS, Quantity, QuantityKind
from bench_core.execution.parity.reference import Reference
from bench_core.execution.parity.sums import Sums
from bench_core.execution.parity.tolerances import MAX_ERROR, TOLERANCES, backward_error, tolerance

U = TOLERANCES["fp32"].unit
FP32, BF16 = Case("any"), Case("any", dtype="bf16")
GRADIENTS, UPDATE = (Quantity(kind, "model") for kind in (QuantityKind.GRADIENTS, QuantityKind.UPDATE))
SMOOTH = Reference({OUTPUTS: np.ones(3)}, (), 0, (8, 16), {OUTPUTS: (2.0**-8, 2.0**-16)})
JUMPY = replace(SMOOTH, jumps=1000, moved={OUTPUTS: (2.0**-4, 2.0**-8)})


def summing(products: int = 1, norms: float = 0.0) -> Reference:
    return replace(SMOOTH, sums=Sums(products, norms))


def test_backward_error_grows_with_the_root_of_the_longest_sum_of_products() -> None:
    assert backward_error(FP32, summing(10)) == backward_error(FP32, summing(1000)) == 128 * U
    assert backward_error(FP32, summing(40_000)) == pytest.approx(400 * U)
    assert backward_error(FP32, summing(160_000)) == pytest.approx(800 * U)


def test_tolerance_of_fp32_stays_far_below_the_errors_of_tf32_and_bf16() -> None:
    assert backward_error(FP32, summing(10**6)) < TOLERANCES["tf32"].unit / 4 < TOLERANCES["bf16"].unit / 4


@pytest.mark.parametrize(
    ("case", "sequential"),
    [
        (Case("any", variant="channels_last"), True),
        (Case("any", variant="channels_last+compile"), True),
        (Case("any"), False),
        (Case("any", device="cuda", variant="channels_last"), False),
    ],
    ids=lambda value: value.id if isinstance(value, Case) else "",
)
def test_only_a_cpu_sums_up_channels_that_come_last_one_by_one(case: Case, sequential: bool) -> None:
    assert backward_error(case, summing(norms=1e-4)) == pytest.approx(4e-4 if sequential else 128 * U)


def test_short_dtypes_do_not_depend_on_sums_in_fp32() -> None:
    assert backward_error(BF16, summing(10**6)) == 32 * TOLERANCES["bf16"].unit


def test_smooth_work_may_be_off_in_proportion_and_jumping_work_by_the_root() -> None:
    assert tolerance(FP32, OUTPUTS, SMOOTH) == pytest.approx(128 * U)
    assert tolerance(FP32, OUTPUTS, JUMPY) == pytest.approx((128 * U) ** 0.5)


def test_work_that_hardly_reacts_may_be_off_by_half_of_the_backward_error() -> None:
    still = replace(SMOOTH, moved={OUTPUTS: (1e-12, 1e-14)})
    assert tolerance(FP32, OUTPUTS, still) == 64 * U


def test_update_that_follows_from_its_gradients_may_be_off_by_roundings_of_the_weights() -> None:
    trained = replace(
        SMOOTH,
        values=dict.fromkeys((OUTPUTS, GRADIENTS, UPDATE), np.ones(3)),
        moved=dict.fromkeys((OUTPUTS, GRADIENTS, UPDATE), (0.3, 0.1)),
    )
    assert tolerance(FP32, UPDATE, trained) == MAX_ERROR
    followed = replace(trained, replayed={UPDATE: 1000.0})
    assert tolerance(FP32, UPDATE, followed) == tolerance(BF16, UPDATE, followed) == pytest.approx(16 * 1001 * U)
    assert tolerance(FP32, UPDATE, replace(trained, replayed={UPDATE: 1e9})) == MAX_ERROR


def test_loss_of_a_second_model_moves_with_the_jumps_of_the_first_ones_gradients() -> None:
    moved = {OUTPUTS: (2.0**-8, 2.0**-16), GRADIENTS: (2.0**-4, 2.0**-8)}
    one = replace(SMOOTH, jumps=10**6, values=dict.fromkeys(moved, np.ones(3)), moved=moved)
    second = Quantity(QuantityKind.GRADIENTS, "second")
    two = replace(one, values={**one.values, second: np.ones(3)})
    assert tolerance(FP32, OUTPUTS, one) == pytest.approx(128 * U)
    assert tolerance(FP32, OUTPUTS, two) == pytest.approx(32 * two.jump(OUTPUTS, U))
    assert tolerance(FP32, OUTPUTS, two) > 4 * tolerance(FP32, OUTPUTS, one)
