"""Data-parallel training: each rank computes the gradients of its share of the batch, and all average them."""

from functools import partial

from torch.nn import functional as F
from torch.optim import SGD

from bench_core.workloads.dense.mlp import digits_training, perceptron
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

BATCHES = (64, 128, 4096, 8192)
"""Pairs of which one is twice the other: two ranks against one, each with as many rows (weak scaling)."""


@workload(
    family="data parallel",
    kind="train",
    unit="image",
    source="mlp_train, and PyTorch's DistributedDataParallel (Li et al., PyTorch Distributed: Experiences on "
    "Accelerating Data Parallel Training, VLDB 2020); the batch is that of all ranks together",
    batches={"cpu": BATCHES, "cuda": BATCHES},
    reference_batch=64,
    dtypes=("fp32",),
    variants=("eager",),
    over_ranks=True,
    known_costs=KnownCosts(
        "101,770 parameters; 101,632 multiply-adds forward; the gradients are those of one process on the whole batch",
        101_770,
        409_088,
    ),
    regime="Small batches: the latency of the all-reduce of 407 KB, which nothing hides. Large ones: arithmetic",
)
def ddp_mlp_train(ctx: BuildContext) -> Step:
    """Data-parallel training of mlp_train's perceptron: forward, backward with averaged gradients, SGD."""
    return digits_training(ctx, perceptron, F.cross_entropy, partial(SGD, lr=0.01))
