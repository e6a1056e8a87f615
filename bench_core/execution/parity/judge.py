"""The decision: is a step built as its workload states, and are the results of its first call correct?"""

from __future__ import annotations

import math

import numpy as np

from bench_core.core.case import Case
from bench_core.core.errors import CaseSkipped, ParityError
from bench_core.core.results import Parity
from bench_core.core.step import Step
from bench_core.execution.parity.capture import Values, modes, relative_error
from bench_core.execution.parity.reference import Reference
from bench_core.execution.parity.tolerances import is_inconclusive, tolerance
from bench_core.execution.parity.updates import description
from bench_core.workloads.kit.definition import Workload


def judge(case: Case, values: Values, reference: Reference, *, rare: bool = False) -> Parity:
    """Compare the results of a first call with the reference; ``rare`` allows for a rare jump.

    ``seconds`` is left at 0. Raises ``CaseSkipped`` if no quantity can be judged, and ``ParityError`` for a quantity
    whose relative error exceeds the dtype's tolerance, or whose shape is not that of the reference.
    """
    errors, allowed = {}, {}
    for quantity, exact in reference.values.items():
        if quantity not in values or values[quantity].shape != exact.shape:
            shape = values[quantity].shape if quantity in values else "none"
            raise ParityError(f"{case.id}: shape mismatch: {quantity} {shape}, reference {exact.shape}")
        if not np.isfinite(values[quantity]).all():
            raise ParityError(f"{case.id}: {quantity}: there are values that are not finite")
        errors[quantity] = relative_error(values[quantity], exact)
        allowed[quantity] = tolerance(case, quantity, reference, rare=rare)
    inconclusive = tuple(quantity for quantity in errors if is_inconclusive(case, quantity, reference))
    judged = [quantity for quantity in errors if quantity not in inconclusive]
    if all(quantity in reference.replayed for quantity in judged):
        raise CaseSkipped(f"parity: {case.dtype} rounding error dominates every compared quantity; use a larger batch")
    worst = max(judged, key=lambda quantity: _badness(errors[quantity], allowed[quantity]))
    if not errors[worst] <= allowed[worst]:
        raise ParityError(
            f"{case.id}: {worst}: relative error {errors[worst]:.2g} exceeds the {case.dtype} tolerance "
            f"{allowed[worst]:.2g}"
        )
    return Parity(
        quantity=str(worst),
        error=errors[worst],
        tolerance=allowed[worst],
        errors={str(quantity): error for quantity, error in errors.items() if math.isfinite(error)},
        inconclusive=tuple(map(str, inconclusive)),
        batch_size=case.batch_size,
        seconds=0.0,
    )


def _badness(error: float, allowed: float) -> float:
    return error / allowed if math.isfinite(error) else math.inf


def check_build(workload: Workload, case: Case, step: Step) -> None:
    """Check a built step against what is known about its workload in advance.

    Raises ``ParityError`` if the number of parameters or FLOPs differs from the known costs, if a module of a training
    step is in evaluation mode, and if no optimizer updates some of the weights.
    """
    known = workload.known_costs
    if case.setting in ("", workload.first_setting):
        for what, built, expected in (
            ("parameters", step.parameters or None, known.parameters),
            ("FLOPs", step.flops, known.flops and known.flops * step.units),
        ):
            if expected is not None and built != expected:
                raise ParityError(f"{case.id}: {built} {what}; the workload's known costs are {expected}")
    if workload.kind == "train":
        if not all(modes(step)):
            raise ParityError(f"{case.id}: part of the model is in evaluation mode, but it is to be trained")
        updated = {id(p) for optimizer in step.optimizers.values() for g in optimizer.param_groups for p in g["params"]}
        weights = (p for module in step.modules.values() for p in module.parameters() if p.requires_grad)
        if any(id(p) not in updated for p in weights):
            raise ParityError(f"{case.id}: there are weights that no optimizer of the step updates")


def check_alike(case: Case, step: Step, reference: Reference) -> None:
    """Raise ``ParityError`` if a module is in another mode (training or evaluation) than in the reference, or if an
    optimizer is of another class or has other options."""
    if modes(step) != reference.modes:
        raise ParityError(f"{case.id}: part of the model is in another mode (training, evaluation) than its reference")
    for name, optimizer in step.optimizers.items():
        own, expected = description(optimizer), reference.optimizers.get(name, "none")
        if own != expected:
            raise ParityError(f"{case.id}: the optimizer of {name} is {own}; in the reference it is {expected}")
