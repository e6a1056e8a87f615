"""How far a step's results may be from float64, by dtype and by how the work itself reacts to rounding.

The forward error is at most condition times backward error: Higham, Accuracy and Stability of Numerical Algorithms,
2nd ed. 2002, 1.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench_core.core.case import Case
from bench_core.execution.parity.capture import Quantity, QuantityKind
from bench_core.execution.parity.reference import Reference

MAX_ERROR = 0.7
"""No quantity but a loss may have a larger relative error in any dtype, however the work reacts: other work is off by
about 1 or more. The first update of the weights may be off by as much: Adam's is the sign of the gradient, which
rounding flips where the gradient is close to zero."""
JUMPS = 8
"""Gradients may be off by this many times the effect of the expected jumps, since few of them vary widely."""


@dataclass(frozen=True)
class Tolerance:
    """How far a dtype may be off: ``factor`` times what rounding weights and inputs to it alone would do.

    ``unit`` is the unit roundoff. ``gradient`` is allowed in any case for gradients through ReLUs, maxima and the
    like: where an input is rounded to the other side of zero the gradient jumps, which happens to a share of about
    ``unit`` of the inputs and so moves the gradient's norm by about the square root of that; a small batch may meet a
    few times more.
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
    # The output of training is its loss; the outputs of other work with a backward pass are gradients.
    training = any(q.kind is QuantityKind.GRADIENTS for q in reference.values)
    if training and quantity.kind is QuantityKind.OUTPUTS:
        return by_rounding  # the relative error of a near-zero loss is meaningless; the gradients are checked instead
    if not reference.jumps:
        return min(MAX_ERROR, by_rounding)
    return min(MAX_ERROR, max(by_rounding, allowed.gradient, JUMPS * reference.jump(quantity, allowed.unit)))


def is_inconclusive(case: Case, quantity: Quantity, reference: Reference) -> bool:
    """Whether rounding weights and inputs to the dtype alone moves a quantity as far as a fault would: then its error
    has no meaning. The update of the weights follows their gradients."""
    kind = QuantityKind.GRADIENTS if quantity.kind is QuantityKind.UPDATE else quantity.kind
    return reference.sensitivity(Quantity(kind, quantity.module), _of(case).unit) > MAX_ERROR


def _of(case: Case) -> Tolerance:
    # Out of the box, convolutions on a GPU run in TF32.
    out_of_the_box = "fp32" if case.device_type == "cpu" else "tf32"
    return TOLERANCES[out_of_the_box if case.dtype == "default" else case.dtype]
