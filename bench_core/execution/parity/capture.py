"""The results of a first call: outputs, gradients, and the change of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench_core.core.step import Step

Vector = NDArray[np.float64]

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
    """Watches the first call of a step: create it before the call, read ``values`` after."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._before = {name: _sampled(list(module.parameters())) for name, module in step.modules.items()}

    def values(self, output: Any) -> Values:
        """The results of the call by quantity, as float64 on the CPU; of a large tensor, a sample of its elements."""
        tensors = output.values() if isinstance(output, dict) else [output]
        values = {OUTPUTS: _sampled([t for t in tensors if t.is_floating_point()])}
        if self._step.optimizers:
            for name, module in self._step.modules.items():
                weights = list(module.parameters())
                if not any(weight.requires_grad for weight in weights):
                    continue  # another rank trains it
                values[Quantity(QuantityKind.GRADIENTS, name)] = _sampled([_gradient(p) for p in weights])
                values[Quantity(QuantityKind.UPDATE, name)] = _sampled(weights) - self._before[name]
        return {quantity: vector for quantity, vector in values.items() if vector.size}


def modes(step: Step) -> tuple[bool, ...]:
    """Whether each module of a step, and each inside it, is in training mode."""
    return tuple(part.training for module in step.modules.values() for part in module.modules())


def relative_error(values: Vector, exact: Vector) -> float:
    """The norm of the difference divided by the norm of ``exact``; 0 if all elements of both are 0."""
    norm, off = float(np.linalg.norm(exact)), float(np.linalg.norm(values - exact))
    return off / norm if norm else (math.inf if off else 0.0)


def _gradient(weight: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _sampled(tensors: Sequence[torch.Tensor]) -> Vector:
    """The elements of the tensors as one vector, sampled and scaled so that its norm is preserved (in expectation)."""
    parts = []
    for tensor in tensors:
        flat, scale = tensor.detach().reshape(-1), 1.0
        if flat.numel() > MAX_ELEMENTS:
            rows = np.random.default_rng(flat.numel()).integers(0, flat.numel(), MAX_ELEMENTS)
            scale = math.sqrt(flat.numel() / MAX_ELEMENTS)
            flat = flat[torch.from_numpy(rows).to(flat.device)]
        parts.append(flat.to(device="cpu", dtype=torch.float64).numpy() * scale)
    return np.concatenate(parts) if parts else np.empty(0)
