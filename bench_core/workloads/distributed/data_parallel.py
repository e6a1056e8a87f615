"""Data-parallel training: each rank computes the gradients of its share of the batch, and all average them.

As the variant ``fsdp`` (torch.distributed.fsdp.fully_shard), each rank keeps a part of the weights, their gradients and
the optimizer's numbers.
"""

from functools import partial
from typing import Any, Literal

from torch.nn import functional as F
from torch.optim import SGD

from bench_core.workloads.adversarial.dcgan import dcgan_training
from bench_core.workloads.dense.mlp import digits_training, perceptron
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload
from bench_core.workloads.vision.resnet50 import resnet50_training

KIND: Literal["train"] = "train"
FACTS: dict[str, Any] = {
    "family": "data parallel",
    "kind": KIND,
    "unit": "image",
    "dtypes": ("fp32",),
    "over_ranks": True,
}
# Batches come in pairs of which one is twice the other: two ranks against one with as many rows a rank.
SMALL = (64, 128, 4096, 8192)
SOURCE = (
    "{}, and PyTorch's DistributedDataParallel (Li et al., PyTorch Distributed: Experiences on Accelerating Data "
    "Parallel Training, VLDB 2020); the batch is that of all ranks together"
)


@workload(
    source=SOURCE.format("mlp_train"),
    batches={"cpu": SMALL, "cuda": SMALL},
    reference_batch=64,
    known_costs=KnownCosts(
        "101,770 parameters; 101,632 multiply-adds forward; the gradients are those of one process on the whole batch",
        101_770,
        409_088,
    ),
    variants=("eager", "fsdp"),
    regime="Small batches: the latency of the all-reduce of 407 KB, which nothing hides. Large ones: arithmetic",
    **FACTS,
)
def ddp_mlp_train(ctx: BuildContext) -> Step:
    """Data-parallel training of mlp_train's perceptron: forward, backward with averaged gradients, SGD."""
    return digits_training(ctx, perceptron, F.cross_entropy, partial(SGD, lr=0.01))


@workload(
    source=SOURCE.format("resnet50_train") + "; batch normalization takes the statistics of each rank's share",
    batches={"cpu": (2, 4), "cuda": (2, 4, 64, 128, 256, 512)},
    reference_batch=256,
    heavy=True,
    weights="resnet50",
    known_costs=KnownCosts("25,557,032 parameters; 4.089 billion multiply-adds forward", 25_557_032, 24_299_077_632),
    variants=("eager", "fsdp"),
    regime="Arithmetic; the all-reduce of 102 MB is hidden behind the backward pass, except for its last bucket, where "
    "the link is fast enough",
    **FACTS,
)
def ddp_resnet50_train(ctx: BuildContext) -> Step:
    """Data-parallel training of resnet50_train's network: forward, backward with averaged gradients, SGD."""
    return resnet50_training(ctx)


@workload(
    source=SOURCE.format("dcgan64_step") + "; batch normalization takes the statistics of each rank's share, and its "
    "running statistics are not sent, since the discriminator is called twice before it learns",
    batches={"cpu": (2, 4), "cuda": (2, 4, 128, 256, 512)},
    reference_batch=128,
    heavy=True,
    known_costs=KnownCosts("18,871,427 parameters in G, 17,232,897 in D", 36_104_324, 15_306_194_944),
    variants=("eager",),
    regime="Small batches: the all-reduces of 69 and 75 MB, and Adam. Large ones: arithmetic",
    **FACTS,
)
def ddp_dcgan64_step(ctx: BuildContext) -> Step:
    """One data-parallel alternating step of dcgan64_step's networks: discriminator, then generator, with Adam."""
    return dcgan_training(ctx)
