"""A sum and a copy: they do nothing but read and write the device's own memory, and show its bandwidth."""

import torch
from torch import Tensor

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

_MCCALPIN = (
    "McCalpin, Memory Bandwidth and Machine Balance in Current High Performance Computers, IEEE TCCA Newsletter, "
    "December 1995: STREAM"
)
_CPU = (2**16, 2**20, 2**24)
_CUDA = (2**12, *_CPU[:2], 2**22, 2**24, 2**26)


@workload(
    family="bandwidth",
    kind="op",
    unit="element",
    source=f"{_MCCALPIN}, of whose kernels the reads; sum in pairs: Higham, Accuracy and Stability of Numerical "
    "Algorithms, 2nd ed. 2002, section 4.1",
    batches={"cpu": _CPU, "cuda": _CUDA},
    reference_batch=2**24,
    variants=("eager", "compile", "cuda_graph"),
    known_costs=KnownCosts("an element is read, 4 bytes in fp32, and added; nothing of size is written", flops=1),
    regime="Memory bandwidth, of reading only, where the input exceeds the last cache: 16 million numbers are 64 MB. "
    "Smaller inputs: the bandwidth of a cache, then the fixed cost of a call",
)
def reduction(ctx: BuildContext) -> Step:
    """Sum of all elements; the batch size is their number, and an element in fp32 is 4 bytes read."""
    count = ctx.batch_size
    feed = ctx.feed([ctx.normal(count) for _ in range(ctx.resident_batches(4 * count))])
    total = ctx.forward(torch.sum)

    def run() -> Tensor:
        with torch.inference_mode():
            summed: Tensor = total(next(feed))
        return summed

    return ctx.step(run, units=count, flops=count, data="normal random numbers")


@workload(
    family="bandwidth",
    kind="op",
    unit="element",
    source=f"{_MCCALPIN}, kernel COPY",
    batches={"cpu": _CPU, "cuda": _CUDA},
    reference_batch=2**24,
    variants=("eager",),
    known_costs=KnownCosts("the copy equals its source; an element is 4 bytes read and 4 written in fp32"),
    regime="Memory bandwidth, of reading and writing, where both together exceed the last cache: 16 million numbers "
    "are 2 x 64 MB. Smaller copies: the bandwidth of a cache, then the fixed cost of a call",
)
def device_copy(ctx: BuildContext) -> Step:
    """Copy within the device's memory; the batch size is the number of elements, each 8 bytes moved in fp32."""
    count = ctx.batch_size
    sources = [ctx.normal(count) for _ in range(ctx.resident_batches(2 * 4 * count))]
    # Already written to, so that the first copy does not include page faults.
    feed = ctx.feed([(source, torch.zeros_like(source)) for source in sources])

    def run() -> Tensor:
        source, target = next(feed)
        copied: Tensor = target.copy_(source)
        return copied

    return ctx.step(run, units=count, flops=None, data="normal random numbers")
