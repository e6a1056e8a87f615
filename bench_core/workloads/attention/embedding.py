"""The lookup of words in a table, and its gradient, which adds up what reaches the same word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, inference, workload

VOCABULARY, WIDTH = 10_000, 512


@workload(
    family="embedding",
    kind="op",
    unit="token",
    source="Vaswani et al., Attention Is All You Need, NIPS 2017, section 3.4, width 512; 10,000 words as in Zaremba, "
    "Sutskever & Vinyals, Recurrent Neural Network Regularization, arXiv:1409.2329, section 4.1; frequencies by Zipf's "
    "law, the n-th word 1/n as often as the first: Manning & Schuetze, Foundations of Statistical Natural Language "
    "Processing, MIT Press 1999, section 1.4.3",
    batches={"cpu": (64, 1024, 16_384), "cuda": (64, 1024, 16_384, 65_536, 262_144)},
    reference_batch=1024,
    settings={"forward": False, "forward_backward": True},
    variants=("eager", "compile", "cuda_graph"),
    known_costs=KnownCosts(
        "5,120,000 parameters; a token reads and writes 2,048 bytes in fp32, and backward again; the gradient of all "
        "words is written too, 20,480,000 bytes",
        5_120_000,
    ),
    regime="Memory bandwidth. Backward with few tokens: writing the gradient of all words, most of it zeros. With "
    "many: the additions to frequent words, which wait for each other; every tenth token is the first word",
)
def embedding(ctx: BuildContext) -> Step:
    """Lookup of tokens, drawn by Zipf's law, among 10,000 words of width 512; forward_backward: its dense gradient."""
    backward: bool = ctx.setting
    model = ctx.model(lambda: nn.Embedding(VOCABULARY, WIDTH), train=backward)
    count = ctx.resident_batches(ctx.batch_size * (8 + (4 * WIDTH if backward else 0)))
    if backward:
        run = gradient(ctx, model, [(tokens(ctx), ctx.normal(ctx.batch_size, WIDTH)) for _ in range(count)])
    else:
        run = inference(ctx, model, [tokens(ctx) for _ in range(count)])
    data = "words by Zipf's law"
    return ctx.step(run, units=ctx.batch_size, flops=None, data=data, modules={"model": model})


def tokens(ctx: BuildContext) -> Tensor:
    """A batch of words drawn by Zipf's law; the most frequent has the number 0, as in many vocabularies."""
    frequencies = 1 / np.arange(1, VOCABULARY + 1)
    return ctx.tensor(ctx.rng.choice(VOCABULARY, ctx.batch_size, p=frequencies / frequencies.sum()))


def gradient(ctx: BuildContext, model: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> Callable[[], Tensor]:
    """A function that returns the gradient of the table for the next batch: tokens, and the gradient that reaches each
    of them."""
    (table,) = model.parameters()
    forward = ctx.autocasted(ctx.forward(model))
    feed = ctx.feed(batches)

    def run() -> Tensor:
        words, reaching = next(feed)
        return torch.autograd.grad(forward(words), table, reaching.to(table.dtype))[0]

    return run
