"""A complete training epoch with torch's DataLoader, that is, with everything around the training steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader, Dataset, RandomSampler, TensorDataset

from bench_core.workloads.data.digits import mnist, mnist_root
from bench_core.workloads.dense.mlp import SHAPE, normalized, perceptron
from bench_core.workloads.kit import BuildContext, Casting, KnownCosts, Step, restorer, training_flops, workload

IMAGES = 60_000
"""Images per epoch."""

_BATCHES = (64, 512, 4096)


@dataclass(frozen=True)
class Loading:
    """How batches get to the device: from a loader with worker processes or, if ``resident``, by an index_select.

    ``pinned``: batches are in pinned memory and copied without waiting. ``pil``: images are decoded and transformed one
    by one.
    """

    workers: int = 0
    pinned: bool = False
    pil: bool = False
    resident: bool = False


_PIL = ("pil-w0", "pil-w2", "pil-w4")
_PINNED = ("w0-pinned", "w2-pinned", "w4-pinned")
_SETTINGS = {
    "w0": Loading(),
    "resident": Loading(resident=True),
    "w2": Loading(workers=2),
    "w4": Loading(workers=4),
    **{name: Loading(workers, pinned=True) for name, workers in zip(_PINNED, (0, 2, 4), strict=True)},
    **{name: Loading(workers, pil=True) for name, workers in zip(_PIL, (0, 2, 4), strict=True)},
}
Batches = Iterator[tuple[Tensor, Tensor]]


@workload(
    family="pipeline",
    kind="pipeline",
    unit="image",
    source="The training epoch of common PyTorch tutorials: torch.utils.data.DataLoader, shuffled, batch 64, and the "
    "network, loss and optimizer of mlp_train. w0, w2, w4: a TensorDataset of images normalized beforehand, with that "
    "many worker processes, which persist from epoch to epoch; pinned: batches in pinned memory, copied without "
    "waiting; pil: torchvision.datasets.MNIST, with ToTensor and Normalize on each image; resident: the data are on "
    "the device, a batch is an index_select",
    batches={"cpu": _BATCHES, "cuda": _BATCHES},
    reference_batch=_BATCHES[0],
    settings=_SETTINGS,
    full_settings={"cpu": ("w2", "w4", *_PIL), "cuda": ("w4", "w4-pinned", *_PIL)},
    gpu_settings=_PINNED,
    dtypes=("fp32", "default", "tf32", "bf16"),
    casting=Casting.AUTOCAST,
    variants=("eager", "compile"),
    heavy=True,
    known_costs=KnownCosts(
        "each image once: at batch 64 in 938 batches, the last of 32, at 512 in 118, the last of 96, and at 4,096 in "
        "15, the last of 2,656; 60,000 times the training FLOPs of an image: 2 x 101,632 forward, as many for the "
        "weights, and 2 x 1,280 for the gradient through the second layer",
        parameters=101_770,
        flops=2 * (2 * 101_632 + 1_280),
    ),
    regime="CPU: Python, which selects 60,000 items one by one and, at batch 64, starts 938 small training steps; with "
    "pil, decoding the images one by one takes longer than the training. GPU: the loader at every batch, since the "
    "network is small and larger batches only save training steps; resident shows the limit without a loader, where "
    "launches are left at batch 64, and little more than the arithmetic at 4,096",
    no_parity="a float64 epoch with the loader would take as long as the measurement; its training step is that of "
    "mlp_train, which is checked against float64",
)
def mnist_epoch_e2e(ctx: BuildContext) -> Step:
    """A complete training epoch on 60,000 handwritten digits: loading, transfer and training, batch by batch."""
    loading: Loading = ctx.setting
    root, source = mnist_root(ctx.data_dir)
    data: Any = pictures(root, IMAGES) if loading.pil else Prepared(root, IMAGES)
    epoch, images = Epoch(ctx, feed(ctx, data)), len(data)
    stages = {"load": epoch.load, "transfer": epoch.transfer, "compute": epoch.compute}
    if loading.resident:
        del stages["transfer"]
    return ctx.step(
        epoch,
        units=images,
        flops=training_flops(epoch.model, (images, *SHAPE)),
        data=source,
        modules={"model": epoch.model},
        optimizers={"model": epoch.optimizer},
        stages=stages,
        loading=("load",),
        moving=() if loading.resident else ("transfer",),
        stage_cycles=-(-images // ctx.batch_size),
    )


class Epoch:
    """A training epoch. Each epoch starts with the first weights and has the same order, so all are the same work.

    Calling it runs the usual training loop. ``load``, ``transfer`` and ``compute``, called in turn once per batch, do
    the same work as separate stages. ``begin`` returns the batches of one epoch.
    """

    def __init__(self, ctx: BuildContext, begin: Callable[[], Batches]) -> None:
        self.model = ctx.model(perceptron, train=True)
        self.optimizer = SGD(self.model.parameters(), lr=0.01)
        self._restore = restorer([self.model], [self.optimizer])
        self._begin, self._forward, self._autocast = begin, ctx.forward(self.model), ctx.autocast
        loading: Loading = ctx.setting
        self._device, self._pinned = ctx.device, loading.pinned
        self._running: Batches = iter(())

    def __call__(self) -> Tensor:
        """Train for an epoch; returns the loss of the last batch, detached and not yet synchronized."""
        for batch in self._started():
            loss = self._train(*self._moved(batch))
        return loss

    def load(self) -> None:
        """Wait for the next batch; after the last one, start the next epoch."""
        batch = next(self._running, None)
        if batch is None:
            self._running = self._started()
            batch = next(self._running)
        self._batch = batch

    def transfer(self) -> None:
        """Move the batch to the device."""
        self._batch = self._moved(self._batch)

    def compute(self) -> Tensor:
        """Train on the batch."""
        return self._train(*self._batch)

    def _started(self) -> Batches:
        self._restore()
        return self._begin()

    def _moved(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        images, labels = batch
        return (
            images.to(self._device, non_blocking=self._pinned),
            labels.to(self._device, non_blocking=self._pinned),
        )

    def _train(self, images: Tensor, labels: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = F.cross_entropy(self._forward(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()


def feed(ctx: BuildContext, data: Any) -> Callable[[], Batches]:
    """A function that starts an epoch of batches, (batch, 1, 28, 28) and (batch,), each item once in a seeded order.

    The order is the same in each epoch and for all settings.
    """
    order = torch.Generator()
    loading: Loading = ctx.setting
    begin = Resident(ctx, data, order) if loading.resident else loader(ctx, data, order).__iter__

    def seeded() -> Batches:
        order.manual_seed(ctx.case.seed)
        return begin()

    return seeded


def loader(ctx: BuildContext, data: Any, order: torch.Generator) -> DataLoader[Any]:
    """The DataLoader that a setting such as ``w2``, ``w4-pinned`` or ``pil-w0`` names.

    Its workers end when it is garbage collected. They never use CUDA. If this process already does, they are not forked
    from it, which CUDA does not allow, but from a server process that does not use CUDA. Where nothing can be forked,
    as on Windows, they are started anew.
    """
    loading: Loading = ctx.setting
    preferred = "forkserver" if torch.cuda.is_initialized() else "fork"  # type: ignore[no-untyped-call]
    start = preferred if preferred in get_all_start_methods() else "spawn"
    return DataLoader(
        data,
        ctx.batch_size,
        sampler=RandomSampler(data, generator=order),
        num_workers=loading.workers,
        pin_memory=loading.pinned,
        # Without this, each epoch would start processes; with it only the first epoch does, which is the cold start.
        persistent_workers=loading.workers > 0,
        multiprocessing_context=start if loading.workers else None,
    )


class Resident:
    """All images on the device; a batch is an index_select."""

    def __init__(self, ctx: BuildContext, data: TensorDataset, order: torch.Generator) -> None:
        self._images, self._labels = (tensor.to(ctx.device) for tensor in data.tensors)
        self._order, self._batch_size = order, ctx.batch_size

    def __call__(self) -> Batches:
        """Start an epoch."""
        order = torch.randperm(len(self._labels), generator=self._order).to(self._labels.device)
        for rows in order.split(self._batch_size):  # type: ignore[no-untyped-call]
            yield self._images.index_select(0, rows), self._labels.index_select(0, rows)


class Prepared(TensorDataset):
    """The first ``images`` training images of a folder, normalized in advance, and their classes."""

    def __init__(self, root: Path, images: int) -> None:
        digits = mnist(root, train=True)
        # A pixel has only 256 values. This table avoids float64 arithmetic on 60,000 images, which takes a gigabyte.
        table = normalized(np.arange(256, dtype=np.uint8)).astype(np.float32).ravel()
        pixels = torch.from_numpy(table[digits.images[:images]])
        super().__init__(pixels[:, None], torch.from_numpy(digits.labels[:images]))
        self._made_of = root, images

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker that is not forked reads the files itself, so that it need not be sent 188 MB."""
        return Prepared, self._made_of


def pictures(root: Path, images: int) -> Dataset[Any]:
    """The first ``images`` training images as ``torchvision.datasets.MNIST`` gives them, transformed one by one."""
    from torchvision import datasets, transforms

    each = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    data: Any = datasets.MNIST(root, train=True, transform=each)
    data.data, data.targets = data.data[:images], data.targets[:images]
    return data  # type: ignore[no-any-return]
