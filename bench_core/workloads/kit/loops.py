"""The calls that inference and training workloads share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.kit.feeds import epochs, restorer

if TYPE_CHECKING:
    pass


def inference(ctx: BuildContext, model: nn.Module, batches: Sequence[Tensor]) -> Callable[[], Tensor]:
    """A function that runs the model on the next batch, without gradients."""
    forward = ctx.autocasted(ctx.forward(model))
    feed = ctx.feed(batches)

    def run() -> Any:
        with torch.inference_mode():
            return forward(next(feed))

    return run


def training(
    ctx: BuildContext,
    model: nn.Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[tuple[Tensor, Tensor]],
) -> Callable[[], Tensor]:
    """A function that trains the model on the next batch and returns the loss, detached and not yet synchronized.

    Over ranks, each trains on its share of the batch, and the loss is that of the share.
    """
    forward = ctx.team.parallel(ctx.forward(model))
    shares = [ctx.team.share(batch) for batch in batches]
    loss_of = ctx.autocasted(lambda inputs, targets: loss_fn(forward(inputs), targets))
    if ctx.full_epochs:
        inputs, targets = (torch.cat(parts) for parts in zip(*shares, strict=True))
        feed = epochs(inputs, targets, ctx.batch_size, ctx.rng)
    else:
        feed = ctx.feed(shares, restorer([model], [optimizer]))

    def run() -> Any:
        inputs, targets = next(feed)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(inputs, targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run
