"""The first step of an optimizer, again in float64: from the weights before it and from the gradients that it got.

An update is compared with this one, and not with that of the float64 reference: Adam's first update is the sign of the
gradient, and where that is close to zero, rounding turns it around in a step that is sound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

Vector = NDArray[np.float64]

HOW = ("foreach", "fused", "capturable", "differentiable")
"""The options of torch's optimizers that say how an update is computed, and not what it is."""


def description(optimizer: Optimizer) -> str:
    """The class of an optimizer and the options of its groups of weights, as text to be compared."""
    groups = [{key: group[key] for key in sorted(group) if key not in ("params", *HOW)} for group in _groups(optimizer)]
    return f"{type(optimizer).__name__} {json.dumps(groups, default=_plain)}"


def first_updates(
    optimizers: Mapping[str, Optimizer],
    weights: Sequence[Tensor],
    before: Sequence[Vector],
    gradients: Sequence[Vector | None],
) -> list[Vector] | None:
    """The first update of each of these weights by its optimizer, in float64 and by a loop over the weights.

    ``before`` and ``gradients`` have the same elements of each weight; a weight without a gradient is not updated.
    ``None`` if an optimizer cannot be built from the options of its groups alone, as torch's own can, or if its step
    needs more than the gradients.
    """
    parts = zip(weights, before, gradients, strict=True)
    copies = {id(weight): _copy(first, gradient) for weight, first, gradient in parts}
    for optimizer in optimizers.values():
        groups = [_copied_group(group, copies) for group in _groups(optimizer)]
        if groups := [group for group in groups if group["params"]]:
            make: Any = type(optimizer)
            try:
                make(groups).step()
            except Exception:  # user code, with arguments of its own
                return None
    moved = [copies[id(weight)].detach().numpy() for weight in weights]
    return [after - first for after, first in zip(moved, before, strict=True)]


def _plain(option: Any) -> float | str:
    """An option that is not plain data: the number of a tensor, or the class of anything else."""
    return float(option) if isinstance(option, Tensor) else type(option).__name__


def _groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    return optimizer.param_groups


def _copied_group(group: Mapping[str, Any], copies: Mapping[int, nn.Parameter]) -> dict[str, Any]:
    """A group with the same options and with the copies of its weights; in a loop, on the CPU."""
    params = [copies[id(weight)] for weight in group["params"] if id(weight) in copies]
    return {**group, **{key: False for key in HOW if key in group}, "params": params}


def _copy(before: Vector, gradient: Vector | None) -> nn.Parameter:
    weight = nn.Parameter(torch.tensor(before))
    weight.grad = None if gradient is None else torch.tensor(gradient)
    return weight
