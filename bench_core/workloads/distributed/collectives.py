"""The collectives alone: what moving the same bytes among ranks costs, without any other work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor

from bench_core.workloads.kit import BuildContext, CaseSkipped, KnownCosts, Step, workload

NUMBER = 4
"""Bytes of a number in fp32."""
KIND: Literal["op"] = "op"
SIZES = tuple(4096 * 16**k for k in range(5))
FACTS: dict[str, Any] = {
    "family": "collective",
    "kind": KIND,
    "unit": "byte",
    "batches": {"cpu": SIZES, "cuda": SIZES},
    "reference_batch": 2**24,
    "dtypes": ("fp32",),
    "variants": ("eager",),
    "over_ranks": True,
    "known_costs": KnownCosts("what arrives equals what was sent, number by number"),
    "regime": "Small messages: the latency of a message, times the rounds that it takes. Large ones: the slowest link "
    "between two ranks, or memory bandwidth where ranks share a machine",
    "no_parity": "nothing but sums of whole numbers is computed, which is exact; when the case is built, all numbers "
    "that arrive are compared with those that a single process computes",
}
SOURCE = (
    "NVIDIA nccl-tests, doc/PERFORMANCE.md: message sizes and bus bandwidth as defined there; torch.distributed.{}. "
    "The size is that of the {}"
)
Patterns = Iterable[Tensor]
"""The numbers that each rank brings, made one after the other."""


@workload(source=SOURCE.format("all_reduce", "numbers that each rank brings"), **FACTS)
def all_reduce(ctx: BuildContext) -> Step:
    """The sum of what all ranks bring, on every rank, in place; units are bytes."""
    count, size = numbers(ctx, parts=1), ctx.ranks.size
    buffer = torch.zeros(count, device=ctx.device)  # the only numbers that repeated sums in place leave as they are

    def add(own: Tensor) -> Tensor:
        dist.all_reduce(own)
        return own

    check(add, ctx, count, total)
    return step(ctx, lambda: add(buffer), count, bus_factor=2 * (size - 1) / size)


@workload(source=SOURCE.format("all_gather_into_tensor", "numbers that each rank gets"), **FACTS)
def all_gather(ctx: BuildContext) -> Step:
    """What all ranks bring, one after the other, on every rank; units are bytes."""
    size = ctx.ranks.size
    part = numbers(ctx, parts=size)
    gathered = torch.empty(part * size, device=ctx.device)

    def gather(own: Tensor) -> Tensor:
        dist.all_gather_into_tensor(gathered, own)
        return gathered

    own = pattern(ctx, part, ctx.ranks.rank)
    check(gather, ctx, part, lambda brought: torch.cat(list(brought)))
    return step(ctx, lambda: gather(own), part * size, bus_factor=(size - 1) / size)


@workload(source=SOURCE.format("reduce_scatter_tensor", "numbers that each rank brings"), **FACTS)
def reduce_scatter(ctx: BuildContext) -> Step:
    """The sum of what all ranks bring, of which each rank gets its part; units are bytes."""
    rank, size = ctx.ranks.rank, ctx.ranks.size
    part = numbers(ctx, parts=size)
    reduced = torch.empty(part, device=ctx.device)

    def scatter(own: Tensor) -> Tensor:
        dist.reduce_scatter_tensor(reduced, own)
        return reduced

    own = pattern(ctx, part * size, rank)
    check(scatter, ctx, part * size, lambda brought: total(each[rank * part :][:part] for each in brought))
    return step(ctx, lambda: scatter(own), part * size, bus_factor=(size - 1) / size)


@workload(source=SOURCE.format("broadcast", "numbers that the first rank brings"), **FACTS)
def broadcast(ctx: BuildContext) -> Step:
    """What the first rank brings, on every rank, in place; units are bytes."""
    count = numbers(ctx, parts=1)

    def spread(own: Tensor) -> Tensor:
        dist.broadcast(own, src=0)
        return own

    own = pattern(ctx, count, ctx.ranks.rank)
    check(spread, ctx, count, lambda brought: next(iter(brought)))
    return step(ctx, lambda: spread(own), count, bus_factor=1.0)


def total(brought: Patterns) -> Tensor:
    """The sum of what all ranks bring."""
    return reduce(torch.add, brought)


def pattern(ctx: BuildContext, count: int, rank: int) -> Tensor:
    """What a rank brings: whole numbers, so small that fp32 adds them exactly, and other ones on each rank."""
    return torch.arange(count, device=ctx.device, dtype=torch.int32).remainder_(251).add_(rank).float()


def check(
    collective: Callable[[Tensor], Tensor], ctx: BuildContext, count: int, expected: Callable[[Patterns], Tensor]
) -> None:
    """Raise ``ValueError`` unless a call gives what a single process makes of ``count`` numbers of each rank."""
    arrived = collective(pattern(ctx, count, ctx.ranks.rank))
    if not torch.equal(arrived, expected(pattern(ctx, count, rank) for rank in range(ctx.ranks.size))):
        raise ValueError(f"{ctx.case.workload}: what arrived on rank {ctx.ranks.rank} is not what was sent")


def numbers(ctx: BuildContext, *, parts: int) -> int:
    """How many numbers each of so many equal parts of the message has; what is left over is not sent.

    Raises ``CaseSkipped`` for a message that is too small.
    """
    count = ctx.batch_size // NUMBER // parts
    if not count:
        raise CaseSkipped(f"a message of {ctx.batch_size} bytes has fewer than {parts} numbers of {NUMBER} bytes")
    return count


def step(ctx: BuildContext, call: Callable[[], Tensor], count: int, *, bus_factor: float) -> Step:
    """A step whose message has so many numbers; ``bus_factor`` is that of its bus bandwidth by nccl-tests."""
    sent = NUMBER * count
    bus_bytes = bus_factor * sent if ctx.ranks.size > 1 else None
    return ctx.step(call, units=sent, flops=None, data="whole numbers", bus_bytes=bus_bytes)
