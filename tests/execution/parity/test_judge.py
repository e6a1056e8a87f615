"""The decision: errors are compared with tolerances, and a quantity dominated by rounding is inconclusive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from bench_core import Case
from bench_core.core.errors import CaseSkipped, ParityError
from bench_core.execution.parity.capture import OUTPUTS, Quantity, QuantityKind
from bench_core.execution.parity.judge import judge
from bench_core.execution.parity.reference import Reference
from bench_core.execution.parity.tolerances import MAX_ERROR, TOLERANCES

GRADIENTS, UPDATE = (Quantity(kind, "model") for kind in (QuantityKind.GRADIENTS, QuantityKind.UPDATE))
VALUES = {OUTPUTS: np.ones(3), GRADIENTS: np.ones(3), UPDATE: np.ones(3)}
WRONG = VALUES | {GRADIENTS: -np.ones(3), UPDATE: np.zeros(3)}


def reference(moved: Mapping[Quantity, tuple[float, ...]]) -> Reference:
    return Reference({quantity: VALUES[quantity] for quantity in moved}, (), jumps=10**7, bits=(16,), moved=moved)


CHAOTIC = reference({OUTPUTS: (1e-5,), GRADIENTS: (0.12,), UPDATE: (0.12,)})


def test_quantity_dominated_by_rounding_is_inconclusive() -> None:
    result = judge(Case("any", dtype="bf16"), WRONG, CHAOTIC)
    assert result.inconclusive == ("gradients of model", "update of model")
    assert (result.quantity, result.error) == ("outputs", 0.0)
    assert result.errors["gradients of model"] == 2.0, "stored, though not judged"


def test_case_of_which_only_the_update_could_be_judged_is_skipped() -> None:
    followed = replace(CHAOTIC, moved=dict.fromkeys(CHAOTIC.moved, (0.12,)), replayed={UPDATE: 10.0})
    with pytest.raises(CaseSkipped, match="bf16 rounding error dominates"):
        judge(Case("any", dtype="bf16"), VALUES, followed)


def test_update_that_follows_from_its_gradients_is_judged_if_they_are_not() -> None:
    followed = replace(CHAOTIC, replayed={UPDATE: 10.0})
    assert judge(Case("any", dtype="bf16"), VALUES, followed).inconclusive == ("gradients of model",)
    with pytest.raises(ParityError, match="update of model: relative error 1 exceeds"):
        judge(Case("any", dtype="bf16"), WRONG, followed)


def test_quantity_is_judged_in_a_dtype_that_does_not_dominate_it() -> None:
    with pytest.raises(ParityError, match=r"(gradients|update) of model: relative error"):
        judge(Case("any", dtype="fp32"), WRONG, CHAOTIC)


def test_case_is_skipped_if_rounding_dominates_everything() -> None:
    with pytest.raises(CaseSkipped, match="bf16 rounding error dominates every compared quantity; use a larger batch"):
        judge(Case("any", dtype="bf16"), VALUES, reference({OUTPUTS: (0.12,)}))


@pytest.mark.parametrize("values", [{OUTPUTS: np.ones(2)}, {}], ids=["another shape", "missing"])
def test_output_of_another_shape_is_an_error(values: dict[Quantity, np.ndarray]) -> None:
    with pytest.raises(ParityError, match=r"shape mismatch: outputs (\(2,\)|none), reference \(3,\)"):
        judge(Case("any"), values, reference({OUTPUTS: (1e-5,)}))


def test_tolerance_is_below_the_error_of_a_missing_update() -> None:
    assert MAX_ERROR < 1
    assert all(tolerance.gradient < 1 for tolerance in TOLERANCES.values())
    sound = reference({OUTPUTS: (1e-5,), GRADIENTS: (1e-5,), UPDATE: (1e-5,)})
    with pytest.raises(ParityError, match="update of model: relative error 1 exceeds"):
        judge(Case("any"), VALUES | {UPDATE: np.zeros(3)}, sound)
