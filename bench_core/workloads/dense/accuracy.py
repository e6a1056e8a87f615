"""The accuracy of a classifier on handwritten digits, counted sample by sample or for a whole batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from bench_core.workloads.data.digits import mnist
from bench_core.workloads.dense.mlp import SHAPE, batches, perceptron
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, forward_flops, workload


def counted_at_once(logits: Tensor, labels: Tensor) -> int:
    """How many rows of logits have their maximum at the label. The host reads one number."""
    return int((logits.argmax(dim=1) == labels).sum().item())


def counted_one_by_one(logits: Tensor, labels: Tensor) -> int:
    """How many rows of logits have their maximum at the label. The host reads a number for each row."""
    correct = 0
    for output, label in zip(logits, labels, strict=True):
        correct += bool((output.argmax() == label).item())
    return correct


@workload(
    family="mlp",
    kind="infer",
    unit="image",
    source="The evaluation loops of common PyTorch tutorials and courses, on the network of mlp_train. batched: "
    "argmax of the batch, compared and summed on the device, and one .item(), as in PyTorch tutorials, Quickstart, "
    "Optimizing the Model Parameters; per-sample: a loop over the images, with an argmax, a comparison and an .item() "
    "for each, as in beginners' courses",
    batches={"cpu": (1, 64, 4096), "cuda": (1, 64, 4096, 65_536)},
    reference_batch=64,
    settings={"batched": counted_at_once, "per-sample": counted_one_by_one},
    variants=("eager", "compile"),
    known_costs=KnownCosts(
        "101,770 parameters; 101,632 multiply-adds; both settings count the same; the host waits for the device once "
        "a batch, or once an image: these waits are what the settings compare",
        101_770,
        203_264,
    ),
    regime="batched: launches and Python, as mlp_infer with three more operations and one wait. per-sample: Python, "
    "with some operations and an .item() for each image; on a GPU also launches and waits, since no image's "
    "operations are launched before those of the image before are done",
)
def mlp_accuracy(ctx: BuildContext) -> Step:
    """The accuracy of mlp_train's perceptron on a batch of test digits: logits, argmax, and the count on the host."""
    count: Callable[[Tensor, Tensor], int] = ctx.setting
    digits = mnist(ctx.data_dir, train=False)
    model = ctx.model(perceptron, train=False)
    forward, feed = ctx.autocasted(ctx.forward(model)), ctx.feed(batches(ctx, digits))

    def run() -> dict[str, Tensor]:
        images, labels = next(feed)
        with torch.inference_mode():
            logits = forward(images)
            share = count(logits, labels) / len(labels)
        return {"logits": logits, "accuracy": torch.tensor(share, dtype=ctx.storage)}

    return ctx.step(
        run,
        units=ctx.batch_size,
        flops=forward_flops(model, (ctx.batch_size, *SHAPE)),
        data=digits.source,
        modules={"model": model},
    )
