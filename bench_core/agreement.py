"""Does a step compute what it should? What its first call gives is held against float64.

A step is judged by three things: its outputs, the gradients its first call leaves behind, and how that call moves the
weights. How far they may be off depends on the dtype and on how the work itself reacts to rounding (forward error is
at most condition times backward error: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, 1.6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench_core.spec import Case, CaseSkipped, Step, Workload
from bench_core.telemetry import Parity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench_core.reference import Reference

    Vector = NDArray[np.float64]

MOST_ELEMENTS = 2048
"""Of a larger tensor this many elements are looked at, drawn at random."""


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
        # These round what every layer and every time step gives, too.
        "fp16": Tolerance(unit=2.0**-11, factor=32, gradient=6 * 2.0**-5.5),
        "bf16": Tolerance(unit=2.0**-8, factor=32, gradient=6 * 2.0**-4),
    }
)


MOST = 0.7
"""No quantity but a loss may be further off in any dtype, however the work reacts: other work is off by about 1 or
more. The first update of the weights may be as far off as that: Adam's is the gradient's sign, which rounding turns
where the gradient is next to nothing."""


JUMPS = 8
"""Gradients may be off by this many times what the jumps do that are to be expected, as few of them differ much."""


class ParityError(ValueError):
    """A step that does not compute what it should: its time would be the time of other work."""


class FirstCall:
    """Watches the first call of a step: make it before the call, ask it after."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._before = {name: _sampled(list(module.parameters())) for name, module in step.modules.items()}

    def seen(self, output: Any) -> dict[str, Vector]:
        """What the call gave, by quantity: a large tensor as a sample of its elements, on the CPU in float64."""
        tensors = output.values() if isinstance(output, dict) else [output]
        found = {"outputs": _sampled([t for t in tensors if t.is_floating_point()])}
        if self._step.optimizers:
            for name, module in self._step.modules.items():
                weights = list(module.parameters())
                found[f"gradients of {name}"] = _sampled([_gradient(p) for p in weights])
                found[f"update of {name}"] = _sampled(weights) - self._before[name]
        return {name: values for name, values in found.items() if values.size}


def _gradient(weight: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _sampled(tensors: Sequence[torch.Tensor]) -> Vector:
    """The elements of the tensors in a row, sampled so that the norm stays what it is."""
    parts = []
    for tensor in tensors:
        flat, scale = tensor.detach().reshape(-1), 1.0
        if flat.numel() > MOST_ELEMENTS:
            rows = np.random.default_rng(flat.numel()).integers(0, flat.numel(), MOST_ELEMENTS)
            scale = math.sqrt(flat.numel() / MOST_ELEMENTS)
            flat = flat[torch.from_numpy(rows).to(flat.device)]
        parts.append(flat.to(device="cpu", dtype=torch.float64).numpy() * scale)
    return np.concatenate(parts) if parts else np.empty(0)


def modes(step: Step) -> tuple[bool, ...]:
    """Whether each module of a step, and each inside it, is in training mode."""
    return tuple(part.training for module in step.modules.values() for part in module.modules())


def judge(case: Case, seen: Mapping[str, Vector], reference: Reference) -> Parity:
    """Hold what a first call gave against the reference.

    ``seconds`` is left at 0. Raises ``CaseSkipped`` where no quantity can be judged, and ``ParityError`` for a quantity
    that is further off than the dtype allows, or that is of another shape.
    """
    errors, allowed = {}, {}
    for name, exact in reference.values.items():
        if name not in seen or seen[name].shape != exact.shape:
            raise ParityError(f"{case.id}: the {name} have not the shape of the float64 reference's")
        errors[name] = relative_error(seen[name], exact)
        allowed[name] = tolerance(case, name, reference)
    untold = tuple(name for name in errors if _chaotic(case, name, reference))
    judged = [name for name in errors if name not in untold]
    if not judged:
        raise CaseSkipped(
            f"parity: rounding to {case.dtype} alone changes wholly all that could be compared; take a larger batch"
        )
    worst = max(judged, key=lambda name: _badness(errors[name], allowed[name]))
    if not errors[worst] <= allowed[worst]:
        raise ParityError(
            f"{case.id}: the {worst} differ from a float64 reference by {errors[worst]:.2g} of their size, "
            f"{case.dtype} allows {allowed[worst]:.2g}"
        )
    return Parity(worst, errors[worst], allowed[worst], errors, untold, case.batch_size, seconds=0.0)


def _chaotic(case: Case, quantity: str, reference: Reference) -> bool:
    """Whether rounding weights and inputs to the dtype alone moves a quantity as far as a fault would: then its error
    tells nothing. The update of the weights follows their gradients."""
    cause = quantity.replace("update of", "gradients of")
    return reference.sensitivity(cause, _of(case).unit) > MOST


def _of(case: Case) -> Tolerance:
    # Out of the box, convolutions on a GPU run in TF32.
    out_of_the_box = "fp32" if case.device == "cpu" else "tf32"
    return TOLERANCES[out_of_the_box if case.dtype == "default" else case.dtype]


def _badness(error: float, allowed: float) -> float:
    return error / allowed if math.isfinite(error) else math.inf


def relative_error(values: Vector, exact: Vector) -> float:
    """The norm of the difference over the norm of what is exact; 0 where both are nothing but zeros."""
    norm, off = float(np.linalg.norm(exact)), float(np.linalg.norm(values - exact))
    return off / norm if norm else (math.inf if off else 0.0)


def tolerance(case: Case, quantity: str, reference: Reference) -> float:
    """How far a quantity may be off in the dtype of a case."""
    if quantity.startswith("update"):
        return MOST
    allowed = _of(case)
    by_rounding = allowed.factor * max(reference.sensitivity(quantity, allowed.unit), allowed.unit / 2)
    # What a training gives out is its loss; what other work with a backward pass gives out are gradients.
    training = any(name.startswith("gradients") for name in reference.values)
    if training and quantity == "outputs":
        return by_rounding  # a loss near nothing may be off by many times itself; its gradients tell
    if not reference.jumps:
        return min(MOST, by_rounding)
    return min(MOST, max(by_rounding, allowed.gradient, JUMPS * reference.jump(quantity, allowed.unit)))


def check_build(case: Case, step: Step, workload: Workload) -> None:
    """Hold a built step against what is known of its workload in advance.

    Raises ``ParityError`` for another number of parameters or FLOPs than the anchor's, for a training step with a
    module in evaluation mode, and for weights that no optimizer holds.
    """
    anchor = workload.anchor
    if case.setting in ("", *workload.settings[:1]):
        for what, built, known in (
            ("parameters", step.parameters or None, anchor.parameters),
            ("FLOPs", step.flops, anchor.flops and anchor.flops * step.units),
        ):
            if known is not None and built != known:
                raise ParityError(f"{case.id}: {built} {what}; the workload's anchor says {known}")
    if workload.kind == "train":
        if not all(modes(step)):
            raise ParityError(f"{case.id}: part of the model is in evaluation mode, but it is to be trained")
        held = {id(p) for optimizer in step.optimizers.values() for g in optimizer.param_groups for p in g["params"]}
        if any(id(p) not in held for module in step.modules.values() for p in module.parameters() if p.requires_grad):
            raise ParityError(f"{case.id}: there are weights that no optimizer of the step holds")
