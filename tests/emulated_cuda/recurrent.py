"""The cells of recurrent layers, for which torch has no CPU kernels.

With cuDNN switched off (``install``), torch's layers on a GPU are loops over these cells, which get the products of
inputs and of hidden state with their weights (``igates``, ``hgates``), and add biases and the nonlinearities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor


def lstm_cell(
    igates: Tensor, hgates: Tensor, cx: Tensor, input_bias: Tensor | None = None, hidden_bias: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """``_thnn_fused_lstm_cell``: the hidden state, the cell state, and the gates for the backward pass."""
    i, f, g, o = _biased(igates + hgates, input_bias, hidden_bias).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    cy = f * cx + i * g
    return o * cy.tanh(), cy, torch.cat((i, f, g, o), 1)


def lstm_cell_backward(
    grad_hy: Tensor | None, grad_cy: Tensor | None, cx: Tensor, cy: Tensor, gates: Tensor, has_bias: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """``_thnn_fused_lstm_cell_backward_impl``: gradients of the gates' products, of the cell state and the biases."""
    i, f, g, o = gates.chunk(4, 1)
    through = cy.tanh()
    grad_hy = torch.zeros_like(cy) if grad_hy is None else grad_hy
    grad_c = grad_hy * o * (1 - through**2) + (0 if grad_cy is None else grad_cy)
    parts = (
        grad_c * g * i * (1 - i),
        grad_c * cx * f * (1 - f),
        grad_c * i * (1 - g**2),
        grad_hy * through * o * (1 - o),
    )
    grad_gates = torch.cat(parts, 1)
    return grad_gates, grad_c * f, grad_gates.sum(0) if has_bias else grad_gates.new_empty(0)


def gru_cell(
    igates: Tensor, hgates: Tensor, hx: Tensor, input_bias: Tensor | None = None, hidden_bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """``_thnn_fused_gru_cell``: the hidden state, and what the backward pass needs."""
    ir, iz, inner = _biased(igates, input_bias, None).chunk(3, 1)
    hr, hz, hn = _biased(hgates, None, hidden_bias).chunk(3, 1)
    r, z = (ir + hr).sigmoid(), (iz + hz).sigmoid()
    n = (inner + r * hn).tanh()
    return n + z * (hx - n), torch.cat((r, z, n, hx, hn), 1)


def gru_cell_backward(grad_hy: Tensor, workspace: Tensor, has_bias: bool) -> tuple[Tensor, ...]:
    """``_thnn_fused_gru_cell_backward``: gradients of both products, of the hidden state and of both biases."""
    r, z, n, hx, hn = workspace.chunk(5, 1)
    grad_n = grad_hy * (1 - z) * (1 - n**2)
    grad_r = grad_n * hn * r * (1 - r)
    grad_z = grad_hy * (hx - n) * z * (1 - z)
    by_input = torch.cat((grad_r, grad_z, grad_n), 1)
    by_hidden = torch.cat((grad_r, grad_z, grad_n * r), 1)
    biases = [by_input.sum(0), by_hidden.sum(0)] if has_bias else [grad_hy.new_empty(0)] * 2
    return by_input, by_hidden, grad_hy * z, *biases


def _biased(gates: Tensor, *biases: Tensor | None) -> Tensor:
    for bias in biases:
        gates = gates if bias is None else gates + bias
    return gates


CELLS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "_thnn_fused_lstm_cell": lstm_cell,
        "_thnn_fused_lstm_cell_backward_impl": lstm_cell_backward,
        "_thnn_fused_gru_cell": gru_cell,
        "_thnn_fused_gru_cell_backward": gru_cell_backward,
    }
)
"""By the name of the operator in ``torch.ops.aten``."""
