"""Multi-head attention with its projections: of a whole sequence, and of one new token with a cache of earlier ones.

The block is the sub-layer "multi-head attention" of the Transformer: four projections without bias, and scaled
dot-product attention. It has no residual connection, normalization or feed-forward layer.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, inference, workload

WIDTH, HEADS = 512, 8
_VASWANI = (
    "Vaswani et al., Attention Is All You Need, NIPS 2017, section 3.2: scaled dot-product and multi-head attention, "
    "equation 1, width 512, 8 heads of 64"
)
_attention = partial(
    workload,
    family="attention",
    kind="op",
    settings={"T512": 512, "T2048": 2048},
    full_settings={"cpu": ("T2048",)},
    variants=("eager", "compile", "cuda_graph"),
)


@_attention(
    unit="sequence",
    source=f"{_VASWANI}; the mask of the decoder, 3.2.3",
    batches={"cpu": (1, 2, 4), "cuda": (1, 2, 4, 16, 64, 256)},
    reference_batch=4,
    known_costs=KnownCosts(
        "1,048,576 parameters; 4 T 512^2 multiply-adds in the projections and T (T + 1) 512 in the attention, where "
        "masked pairs are not counted (torch's counter counts them: 2 T^2 512)",
        1_048_576,
        1_342_701_568,
    ),
    regime="Arithmetic: for T of 512, 80% of it in the projections, for T of 2,048 half. Kernels that keep the scores "
    "in memory are also bound by its bandwidth. On a GPU at batch 1: launches",
)
def attention_prefill(ctx: BuildContext) -> Step:
    """Causal multi-head attention, with projections, of whole sequences; a setting such as T512 names the length."""
    length: int = ctx.setting
    model = ctx.model(CausalAttention, train=False)
    count = ctx.resident_batches(4 * ctx.batch_size * length * WIDTH)
    pairs = length * (length + 1) // 2
    return ctx.step(
        inference(ctx, model, [ctx.normal(ctx.batch_size, length, WIDTH) for _ in range(count)]),
        units=ctx.batch_size,
        flops=2 * ctx.batch_size * (4 * length * WIDTH**2 + 2 * pairs * WIDTH),
        data="normal random numbers",
        modules={"model": model},
    )


@_attention(
    unit="token",
    source=f"{_VASWANI}; with the keys and values of earlier tokens: Shazeer, Fast Transformer Decoding, "
    "arXiv:1911.02150, section 2.4",
    batches={"cpu": (1, 4, 16), "cuda": (1, 4, 16, 64, 256)},
    reference_batch=16,
    known_costs=KnownCosts(
        "1,048,576 parameters; 4 512^2 multiply-adds in the projections and 2 T 512 in the attention; keys and values "
        "of a sequence are 4 T 512 bytes each in fp32",
        1_048_576,
        3_145_728,
    ),
    regime="Memory bandwidth: a token needs all keys and values of its sequence, which are used once, and all weights, "
    "which are shared by the batch. On a GPU with few sequences: launches",
)
def attention_decode(ctx: BuildContext) -> Step:
    """Multi-head attention, with projections, of one new token per sequence; T512 names the length of a full cache."""
    length: int = ctx.setting
    model = ctx.model(partial(CachedAttention, ctx.batch_size, length), train=False)
    for cache in model.buffers():
        # Every sequence has the numbers of the same past, in memory of its own: drawing others would take long.
        cache.copy_(ctx.normal(1, *cache.shape[1:]).expand_as(cache))
    return ctx.step(
        # Only the tokens rotate. They are a small part of what is read, so cold caches are not defined.
        inference(ctx, model, [ctx.normal(ctx.batch_size, 1, WIDTH) for _ in range(ctx.max_batches)]),
        units=ctx.batch_size,
        flops=2 * ctx.batch_size * (4 * WIDTH**2 + 2 * length * WIDTH),
        data="normal random numbers",
        modules={"model": model},
    )


class Projections(nn.Module):
    """The four projections of a block, without bias: 1,048,576 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (batch, heads, tokens, width / heads)."""
        queries, keys, values = (
            projection(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for projection in (self.query, self.key, self.value)
        )
        return queries, keys, values

    def joined(self, heads: Tensor) -> Tensor:
        """The projection of all heads' outputs: (batch, tokens, width)."""
        projected: Tensor = self.out(heads.transpose(1, 2).flatten(2))
        return projected


class CausalAttention(Projections):
    """Each token of a sequence attends to itself and to those before it."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width) to the same."""
        return self.joined(F.scaled_dot_product_attention(*self.heads(x), is_causal=True))


class CachedAttention(Projections):
    """A new token of each sequence attends to itself and to those before it, of which keys and values are kept.

    Its own key and value are written to the last position of the cache. The next call writes to the same position, so
    that every call is the same work.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, batch: int, length: int) -> None:
        super().__init__()
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(batch, HEADS, length, WIDTH // HEADS))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, width) to the same."""
        queries, key, value = self.heads(x)
        self.keys[:, :, -1:] = key
        self.values[:, :, -1:] = value
        return self.joined(F.scaled_dot_product_attention(queries, self.keys, self.values))
