"""The results of a first call: outputs, gradients, and the change of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench_core.core.step import Step
from bench_core.execution.parity.updates import Vector, first_updates

MAX_ELEMENTS = 2048
"""Of a larger tensor, this many elements are compared, drawn at random."""


class QuantityKind(StrEnum):
    """The three kinds of results that are compared."""

    OUTPUTS = "outputs"
    GRADIENTS = "gradients"
    UPDATE = "update"


@dataclass(frozen=True)
class Quantity:
    """A result that is compared: the outputs of a step, or the gradients or the first update of one of its modules."""

    kind: QuantityKind
    module: str = ""

    def __str__(self) -> str:
        """The name in records and messages, such as ``gradients of model``."""
        return f"{self.kind} of {self.module}" if self.module else str(self.kind)


OUTPUTS = Quantity(QuantityKind.OUTPUTS)
Values = Mapping[Quantity, Vector]


class FirstCall:
    """Watches the first call of a step: create it before the call, read ``values`` and ``replayed`` after."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._before = {name: _samples(list(module.parameters())) for name, module in step.modules.items()}

    def values(self, output: Any) -> Values:
        """The results of the call by quantity, as float64 on the CPU; of a large tensor, a sample of its elements."""
        tensors = output.values() if isinstance(output, dict) else [output]
        values = {OUTPUTS: _vector(_samples([t for t in tensors if t.is_floating_point()]))}
        if self._step.optimizers:
            for name, weights in self._trained().items():
                values[Quantity(QuantityKind.GRADIENTS, name)] = _vector(_samples([_gradient(p) for p in weights]))
                values[update_of(name)] = _vector(_samples(weights)) - _vector(self._before[name])
        return {quantity: vector for quantity, vector in values.items() if vector.size}

    def replayed(self) -> Values:
        """The first update of each module by its optimizer, in float64, from the weights before the call and the
        gradients after it. Modules are left out whose optimizer cannot be built again."""
        values = {}
        for name, weights in self._trained().items():
            before = self._before[name]
            gradients = [None if p.grad is None else _sample(p.grad).elements for p in weights]
            updates = first_updates(self._step.optimizers, weights, [sample.elements for sample in before], gradients)
            if updates:
                pairs = zip(updates, before, strict=True)
                values[update_of(name)] = _vector([_Sample(update, sample.scale) for update, sample in pairs])
        return values

    def weights(self, name: str) -> Vector:
        """The weights of a module before the call."""
        return _vector(self._before[name])

    def _trained(self) -> dict[str, list[nn.Parameter]]:
        """The weights of each module that this process trains; another rank may train a frozen one."""
        every = {name: list(module.parameters()) for name, module in self._step.modules.items()}
        return {name: weights for name, weights in every.items() if any(weight.requires_grad for weight in weights)}


def update_of(module: str) -> Quantity:
    """The first update of a module."""
    return Quantity(QuantityKind.UPDATE, module)


def modes(step: Step) -> tuple[bool, ...]:
    """Whether each module of a step, and each inside it, is in training mode."""
    return tuple(part.training for module in step.modules.values() for part in module.modules())


def relative_error(values: Vector, exact: Vector) -> float:
    """The norm of the difference divided by the norm of ``exact``; 0 if all elements of both are 0."""
    norm, off = float(np.linalg.norm(exact)), float(np.linalg.norm(values - exact))
    return off / norm if norm else (math.inf if off else 0.0)


class _Sample(NamedTuple):
    """Elements of a tensor, and the factor that preserves its norm (in expectation)."""

    elements: Vector
    scale: float


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _samples(tensors: Sequence[Tensor]) -> list[_Sample]:
    return [_sample(tensor) for tensor in tensors]


def _sample(tensor: Tensor) -> _Sample:
    """A large tensor's elements are drawn at random, the same of all tensors of its size.

    Of a tensor that is kept in parts by several ranks, all of them must ask.
    """
    flat, scale = _whole(tensor.detach()).reshape(-1), 1.0
    if flat.numel() > MAX_ELEMENTS:
        rows = np.random.default_rng(flat.numel()).integers(0, flat.numel(), MAX_ELEMENTS)
        scale = math.sqrt(flat.numel() / MAX_ELEMENTS)
        flat = flat[torch.from_numpy(rows).to(flat.device)]
    # A copy: the memory of a weight on the CPU in float64 would change with it.
    return _Sample(flat.to(device="cpu", dtype=torch.float64, copy=True).numpy(), scale)


def _whole(tensor: Any) -> Tensor:
    """A tensor, put together if ranks keep parts of it (a ``DTensor``)."""
    whole: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return whole


def _vector(samples: Sequence[_Sample]) -> Vector:
    return np.concatenate([s.elements * s.scale for s in samples]) if samples else np.empty(0)
