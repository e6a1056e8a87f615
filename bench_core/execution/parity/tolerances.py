"""How far a step's results may be from float64, by dtype and by how sensitive the work itself is to rounding.

The forward error is at most the condition number times the backward error: Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed. 2002, section 1.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench_core.core.case import Case
from bench_core.execution.parity.capture import Quantity, QuantityKind
from bench_core.execution.parity.reference import Reference

MAX_ERROR = 0.7
"""No quantity except a loss may have a larger relative error, in any dtype and for any sensitivity: wrong work has an
error of about 1 or more. For the first update of the weights this is the tolerance: Adam's first update is the sign of
the gradient, which rounding flips where the gradient is close to zero."""
JUMPS = 8
"""Gradients may differ by this many times the effect of the expected jumps, since the effect of few jumps varies
widely."""


@dataclass(frozen=True)
class Tolerance:
    """The tolerance of a dtype: ``factor`` times the effect of rounding only the weights and inputs to that dtype.

    ``unit`` is the unit roundoff. ``gradient`` is always allowed for gradients through ReLUs, maxima and the like: if
    an input is rounded to the other side of zero, the gradient jumps. This happens to a share of about ``unit`` of the
    inputs, and so changes the gradient's norm by about the square root of ``unit``; in a small batch it may be a few
    times more.
    """

    unit: float
    factor: float
    gradient: float = 0.0


TOLERANCES: Mapping[str, Tolerance] = MappingProxyType(
    {
        # Sums of thousands of products are rounded at every addition.
        "fp32": Tolerance(unit=2.0**-24, factor=64),
        # Rounds the factors of each product and sums in fp32.
        "tf32": Tolerance(unit=2.0**-11, factor=8),
        # These also round the results of every layer and every time step.
        "fp16": Tolerance(unit=2.0**-11, factor=32, gradient=6 * 2.0**-5.5),
        "bf16": Tolerance(unit=2.0**-8, factor=32, gradient=6 * 2.0**-4),
    }
)


def tolerance(case: Case, quantity: Quantity, reference: Reference) -> float:
    """The largest relative error that a quantity may have in the dtype of a case."""
    if quantity.kind is QuantityKind.UPDATE:
        return MAX_ERROR
    allowed = _of(case)
    by_rounding = allowed.factor * max(reference.sensitivity(quantity, allowed.unit), allowed.unit / 2)
    # The output of a training is its loss; the outputs of other work with a backward pass are gradients.
    training = any(q.kind is QuantityKind.GRADIENTS for q in reference.values)
    if training and quantity.kind is QuantityKind.OUTPUTS:
        return by_rounding  # the relative error of a near-zero loss is meaningless; the gradients are checked instead
    if not reference.jumps:
        return min(MAX_ERROR, by_rounding)
    return min(MAX_ERROR, max(by_rounding, allowed.gradient, JUMPS * reference.jump(quantity, allowed.unit)))


def is_inconclusive(case: Case, quantity: Quantity, reference: Reference) -> bool:
    """Whether rounding only the weights and inputs to the dtype changes a quantity as much as a bug would. Then its
    error is meaningless. The update of the weights is inconclusive if their gradients are."""
    kind = QuantityKind.GRADIENTS if quantity.kind is QuantityKind.UPDATE else quantity.kind
    return reference.sensitivity(Quantity(kind, quantity.module), _of(case).unit) > MAX_ERROR


def _of(case: Case) -> Tolerance:
    # By torch's defaults, convolutions on a GPU run in TF32.
    out_of_the_box = "fp32" if case.device_type == "cpu" else "tf32"
    return TOLERANCES[out_of_the_box if case.dtype == "default" else case.dtype]
