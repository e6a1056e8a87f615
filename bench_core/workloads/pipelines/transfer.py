"""Copies between the memories of host and GPU: what moving a batch costs before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, rotate, workload


class Route(NamedTuple):
    """A copy's direction and the kind of host memory: pinned or pageable."""

    to_device: bool
    pinned: bool


@workload(
    family="pipeline",
    kind="op",
    unit="byte",
    source="NVIDIA, CUDA C++ Best Practices Guide, section Data Transfer Between Host and Device (pageable and pinned "
    "memory, asynchronous copies); NVIDIA's bandwidthTest sample. h2d: from host to device; d2h: back",
    batches={"cpu": (), "cuda": tuple(4096 * 16**k for k in range(5))},
    reference_batch=2**24,
    settings={
        "h2d-pageable": Route(to_device=True, pinned=False),
        "h2d-pinned": Route(to_device=True, pinned=True),
        "d2h-pageable": Route(to_device=False, pinned=False),
        "d2h-pinned": Route(to_device=False, pinned=True),
    },
    dtypes=("fp32",),
    variants=("eager",),
    grid=True,
    known_costs=KnownCosts("what arrives equals what was sent, byte for byte"),
    regime="Small copies: the latency of a copy, a few microseconds for any size. Large copies: the bandwidth of the "
    "bus. Pageable memory is copied twice, through the driver's own pinned buffer",
    no_parity="nothing is computed; that all bytes arrive is checked when the case is built",
)
def transfer(ctx: BuildContext) -> Step:
    """Copies of 4 KB to 256 MB between host and GPU, from and to pageable or pinned memory; units are bytes."""
    route: Route = ctx.setting
    count = ctx.resident_batches(ctx.batch_size)
    pairs = []
    for _ in range(count):
        data = torch.from_numpy(ctx.rng.integers(0, 256, ctx.batch_size, dtype=np.uint8))
        pairs.append(endpoints(data, ctx.device, route))
    copy = copier(pairs, without_waiting=route.pinned)
    check(copy, pairs)
    return ctx.step(copy, units=ctx.batch_size, flops=None, data="random bytes")


def endpoints(data: Tensor, device: torch.device, route: Route) -> tuple[Tensor, Tensor]:
    """A copy's source, with the data, and its empty target: one of them on the host and one on the device."""
    host = data.pin_memory() if route.pinned else data
    if route.to_device:
        return host, torch.zeros_like(data, device=device)
    # Already written to, so that the first copy does not include page faults.
    return data.to(device, copy=True), torch.zeros_like(host, pin_memory=route.pinned)


def copier(pairs: Sequence[tuple[Tensor, Tensor]], *, without_waiting: bool) -> Callable[[], Tensor]:
    """A function that makes the next copy and returns its target; with pinned memory, the copy may not be done yet."""
    feed = rotate(pairs)

    def run() -> Tensor:
        source, target = next(feed)
        arrived: Tensor = target.copy_(source, non_blocking=without_waiting)
        return arrived

    return run


def check(copy: Callable[[], Tensor], pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Make each copy once and raise ``ValueError`` unless all bytes arrived."""
    for _ in pairs:
        copy()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    if not all(torch.equal(source.cpu(), target.cpu()) for source, target in pairs):
        raise ValueError("what arrived is not what was sent")
