"""A model split over two ranks, which work on different parts of a batch at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from bench_core.workloads.kit import BuildContext, CaseSkipped, KnownCosts, Step, restorer, training_flops, workload
from bench_core.workloads.pipelines.model_parallel import Split

MICROBATCHES = 4
Gradients = Callable[[Tensor, Tensor], dict[str, Tensor]]
"""Computes the gradients of a batch, and returns its loss, if this rank has it."""


@workload(
    family="pipeline parallel",
    kind="train",
    unit="row",
    source="model_parallel_toy (PyTorch tutorials, Single-Machine Model Parallel Best Practices) as a pipeline: GPipe "
    "(Huang et al., NeurIPS 2019, section 2.3) by torch.distributed.pipelining, with 4 micro-batches; one stage on one "
    "rank, the two halves on two",
    batches={"cpu": (20, 2560), "cuda": (20, 2560)},
    reference_batch=20,
    dtypes=("fp32",),
    variants=("eager",),
    over_ranks=True,
    known_costs=KnownCosts(
        "165 parameters; equals the unsplit model in outputs, gradients and updates; 150 multiply-adds per row "
        "forward, 150 for the weights and 50 back through the second layer",
        parameters=165,
        flops=2 * (150 + 150 + 50),
    ),
    regime="Python and the latency of messages: each micro-batch is sent forward and its gradient back. No speedup is "
    "expected of so small a model",
)
def pipeline_toy(ctx: BuildContext) -> Step:
    """Training of model_parallel_toy's split perceptron as a pipeline over two ranks, in four micro-batches."""
    model = ctx.model(Split, train=True)
    assert isinstance(model, Split)
    flops = training_flops(model, (ctx.batch_size, 10))
    halves = {"first": model.first, "second": model.second}
    for name in halves.keys() - owned(ctx):
        halves[name].requires_grad_(False)
    optimizers = {name: SGD(halves[name].parameters(), lr=0.001) for name in owned(ctx)}
    compute = pipelined(ctx, model) if ctx.ranks.launched else whole(model)
    count = ctx.resident_batches(4 * 15 * ctx.batch_size)
    rows = [(ctx.normal(ctx.batch_size, 10), ctx.normal(ctx.batch_size, 5)) for _ in range(count)]
    feed = ctx.feed(rows, restorer([model], list(optimizers.values())))

    def run() -> dict[str, Tensor]:
        for optimizer in optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        losses = compute(*next(feed))
        for optimizer in optimizers.values():
            optimizer.step()
        return losses

    return ctx.step(
        run,
        units=ctx.batch_size,
        flops=flops,
        data="normal random numbers",
        modules=halves,
        optimizers=optimizers,
    )


def owned(ctx: BuildContext) -> tuple[str, ...]:
    """The halves that this rank trains: both if it is the only one. Raises ``CaseSkipped`` for more than two ranks."""
    if ctx.ranks.size > 2:
        raise CaseSkipped("the model has two stages, for one or two ranks")
    return ("first", "second") if ctx.ranks.size == 1 else (("first", "second")[ctx.ranks.rank],)


def whole(model: nn.Module) -> Gradients:
    """The gradients by one process, without stages."""

    def compute(inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach()}

    return compute


def pipelined(ctx: BuildContext, model: Split) -> Gradients:
    """The gradients by this rank's stage of a pipeline. Raises ``CaseSkipped`` if micro-batches are not equal."""
    from torch.distributed.pipelining import PipelineStage, ScheduleGPipe

    if ctx.batch_size % MICROBATCHES:
        raise CaseSkipped(f"{ctx.batch_size} rows cannot be divided equally into {MICROBATCHES} micro-batches")
    rank, size = ctx.ranks.rank, ctx.ranks.size
    part = model if size == 1 else (nn.Sequential(model.first, nn.ReLU()), model.second)[rank]
    stage = PipelineStage(part, rank, size, ctx.device)
    schedule: Any = ScheduleGPipe(stage, MICROBATCHES, loss_fn=F.mse_loss)

    def compute(inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        losses: list[Tensor] = []
        first, last = (inputs,) if stage.is_first else (), {"target": targets} if stage.is_last else {}
        schedule.step(*first, **last, losses=losses)
        return {"loss": torch.stack(losses).mean().detach()} if stage.is_last else {}

    return compute
