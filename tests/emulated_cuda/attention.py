"""The kernels of scaled dot-product attention on a GPU, of which torch has none for CPUs: forward passes only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor


def efficient(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Any, ...]:
    """``_scaled_dot_product_efficient_attention``: the output, what the backward pass needs, and a random state."""
    output, logarithms = attended(query, key, value, attn_bias, dropout_p, is_causal, scale)
    return output, logarithms, *random_state()


def flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Any, ...]:
    """``_scaled_dot_product_flash_attention``: as cuDNN's, without a bias."""
    return cudnn(query, key, value, None, True, dropout_p, is_causal, return_debug_mask, scale=scale)


def cudnn(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Any, ...]:
    """``_scaled_dot_product_cudnn_attention``: as the efficient one, and lengths and a mask that only other callers
    need."""
    output, logarithms = attended(query, key, value, attn_bias, dropout_p, is_causal, scale)
    return output, logarithms, None, None, query.shape[2], key.shape[2], *random_state(), query.new_empty(0)


def attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
) -> tuple[Tensor, Tensor]:
    """The output, and of each query the logarithm of its sum of exponentials. Half precision is computed in fp32."""
    if dropout_p:
        raise NotImplementedError("the emulated GPU has no attention with dropout")
    wide = torch.promote_types(query.dtype, torch.float32)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query.to(wide) @ key.to(wide).transpose(-2, -1) * factor
    if bias is not None:
        scores = scores + bias.to(wide)
    if is_causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    return (scores.softmax(-1) @ value.to(wide)).to(query.dtype), scores.logsumexp(-1)


def random_state() -> tuple[Tensor, Tensor]:
    """Seed and offset of the dropout that there is not."""
    return torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.int64)


ATTENTION: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "_scaled_dot_product_efficient_attention": efficient,
        "_scaled_dot_product_flash_attention": flash,
        "_scaled_dot_product_cudnn_attention": cudnn,
    }
)
