"""The FLOPs of a call, counted on tensors without storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call

if TYPE_CHECKING:
    from torch.utils.flop_counter import FlopCounterMode


def forward_flops(model: nn.Module, *shapes: Sequence[int]) -> int:
    """FLOPs of one forward call on inputs of these shapes, 2 per multiply-add; nothing is computed.

    Counts matrix products and convolutions, as ``torch.utils.flop_counter`` does, on tensors without storage.
    """
    weights = {name: t.detach().to("meta") for name, t in chain(model.named_parameters(), model.named_buffers())}
    inputs = tuple(torch.empty(tuple(shape), device="meta", dtype=_dtype_of(model)) for shape in shapes)
    with torch.no_grad(), flop_counter() as counter:
        functional_call(model, weights, inputs)
    return int(counter.get_total_flops())


def training_flops(model: nn.Module, *shapes: Sequence[int], inputs_need_grad: bool = False) -> int:
    """FLOPs of one forward and backward call on inputs of these shapes; the optimizer's are not counted.

    The gradient with respect to the first layer's input is not counted unless ``inputs_need_grad``, as in autograd.
    """
    weights: Mapping[str, Tensor] = {
        name: torch.empty_like(t, device="meta", requires_grad=isinstance(t, nn.Parameter) and t.requires_grad)
        for name, t in chain(model.named_parameters(), model.named_buffers())
    }
    inputs = tuple(
        torch.empty(tuple(shape), device="meta", dtype=_dtype_of(model), requires_grad=inputs_need_grad)
        for shape in shapes
    )
    with flop_counter() as counter:
        functional_call(model, dict(weights), inputs).sum().backward()
    return int(counter.get_total_flops())


def _dtype_of(model: nn.Module) -> torch.dtype:
    return next(model.parameters()).dtype


def flop_counter() -> FlopCounterMode:
    """A context that counts the FLOPs of matrix products and convolutions; see ``get_total_flops``."""
    # Imported here, because it takes a tenth of a second that listing the cases should not cost.
    from torch.utils.flop_counter import FlopCounterMode

    return FlopCounterMode(display=False)
