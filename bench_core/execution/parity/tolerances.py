"""How far a step's results may be from float64, by dtype, by its longest sums, and by how sensitive it is to rounding.

The model: the results are those of exact work on weights and inputs that are off by the backward error of the dtype.
The forward error is the effect of that: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section
1.6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench_core.core.case import Case
from bench_core.execution.parity.capture import Quantity, QuantityKind
from bench_core.execution.parity.reference import Reference

MAX_ERROR = 0.7
"""No quantity except a loss may have a larger relative error, in any dtype and for any sensitivity: wrong work has an
error of about 1 or more. It is the tolerance of an update that does not follow from the gradients by one step of the
optimizer."""
JUMPS = 8
"""Gradients may differ by this many times the effect of the expected jumps, since the effect of few jumps varies
widely."""
RARE_JUMPS = 32
"""Now and then the effect of few jumps is up to this many times as large as expected: that of a jump where many
gradients come together. A case with such an error is checked at another seed too."""
DEVIATIONS = 2
"""The error of a sum of n products in fp32 is at most this times sqrt(n) u, with a probability of 1 - 2 exp(-2) for one
sum, and so for the norm of many: Higham & Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci.
Comput. 41(5), 2019, theorem 2.4."""
NORMS = 4
"""Several layers, and the sums of the backward pass, err as much as the worst statistics of a batch norm."""
UPDATE_FACTOR = 16
"""The roundings of an optimizer's step: that of the weights, and those on the way to it."""
STORED = 2.0**-24
"""The unit roundoff of fp32, in which the weights of all training are stored."""
CAPTURED = STORED / 0.001 / 2
"""An optimizer in a CUDA graph counts its steps on the device, where Adam takes the root of 1 - .999 in fp32."""


@dataclass(frozen=True)
class Tolerance:
    """What the arithmetic of a dtype amounts to: weights and inputs that are off by ``factor`` times ``unit``.

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
        # Sums are rounded at every addition, and Winograd's convolutions transform their inputs before.
        "fp32": Tolerance(unit=2.0**-24, factor=128),
        # Rounds the factors of each product and sums in fp32.
        "tf32": Tolerance(unit=2.0**-11, factor=8),
        # These also round the results of every layer and every time step.
        "fp16": Tolerance(unit=2.0**-11, factor=32, gradient=8 * 2.0**-5.5),
        "bf16": Tolerance(unit=2.0**-8, factor=32, gradient=8 * 2.0**-4),
    }
)


def backward_error(case: Case, reference: Reference) -> float:
    """By how much weights and inputs may be off, relative to their size, to explain the results of correct work."""
    rounding, sums = _of(case), reference.sums
    by_products = DEVIATIONS * math.sqrt(sums.products) * TOLERANCES["fp32"].unit
    # Torch adds up a channel one by one in fp32 there. Equal pixels are rounded alike, so errors do not cancel.
    one_by_one = case.device_type == "cpu" and "channels_last" in case.variant_parts
    return max(rounding.factor * rounding.unit, by_products, NORMS * sums.norms if one_by_one else 0.0)


def tolerance(case: Case, quantity: Quantity, reference: Reference, *, rare: bool = False) -> float:
    """The largest relative error that a quantity may have in the dtype of a case; ``rare`` allows for a rare jump."""
    if quantity in reference.replayed:
        on_device = CAPTURED if "cuda_graph" in case.variant_parts else 0.0
        return min(MAX_ERROR, UPDATE_FACTOR * STORED * (1 + reference.replayed[quantity]) + on_device)
    if quantity.kind is QuantityKind.UPDATE:
        return MAX_ERROR
    error = backward_error(case, reference)
    by_rounding = max(reference.sensitivity(quantity, error), error / 2)
    allowed = _of(case)
    jump = reference.jump(quantity, allowed.unit)
    # The output of a training is its loss; the outputs of other work with a backward pass are gradients.
    trained = sum(q.kind is QuantityKind.GRADIENTS for q in reference.values)
    if trained and quantity.kind is QuantityKind.OUTPUTS:
        # The relative error of a near-zero loss is meaningless; the gradients are checked instead. Of several models,
        # the second one's loss comes after an update of the first, and so after jumps of its gradients.
        return max(by_rounding, RARE_JUMPS * jump) if trained > 1 else by_rounding
    if not reference.jumps:
        return min(MAX_ERROR, by_rounding)
    return min(MAX_ERROR, max(by_rounding, allowed.gradient, (RARE_JUMPS if rare else JUMPS) * jump))


def is_inconclusive(case: Case, quantity: Quantity, reference: Reference) -> bool:
    """Whether rounding only the weights and inputs to the dtype changes a quantity as much as a bug would. Then its
    error is meaningless. An update that does not follow from the gradients is inconclusive if they are."""
    if quantity in reference.replayed:
        return False
    kind = QuantityKind.GRADIENTS if quantity.kind is QuantityKind.UPDATE else quantity.kind
    return reference.sensitivity(Quantity(kind, quantity.module), _of(case).unit) > MAX_ERROR


def _of(case: Case) -> Tolerance:
    # By torch's defaults, convolutions on a GPU run in TF32.
    out_of_the_box = "fp32" if case.device_type == "cpu" else "tf32"
    return TOLERANCES[out_of_the_box if case.dtype == "default" else case.dtype]
