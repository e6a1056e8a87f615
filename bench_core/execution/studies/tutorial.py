"""Trainings on digits as common tutorials write them, in the parts that studies combine. Mistakes are intentional."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from bench_core import workloads
from bench_core.core.case import NO_SOURCES, Case, Sources
from bench_core.workloads.data.digits import mnist_root
from bench_core.workloads.dense.mlp import perceptron
from bench_core.workloads.vision.cnn import small_cnn

WORKLOAD, BATCH = "mlp_train", 64
NETWORKS: Mapping[str, Callable[[], nn.Module]] = {WORKLOAD: perceptron, "cnn_mnist_train": small_cnn}
"""The networks by workload; all are trained with SGD .01 on the cross-entropy."""


class DigitsTraining:
    """A workload as tutorials write it: torchvision's MNIST (or its stand-in) in a loader, copied batch by batch."""

    def __init__(self, device: str, sources: Sources = NO_SOURCES, workload: str = WORKLOAD) -> None:
        from torchvision import datasets, transforms

        root, self.data = mnist_root(sources.data)
        prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
        self._digits = datasets.MNIST(root, train=True, transform=prepare)
        self._device, self._sources, self._workload = device, sources, workload
        make = NETWORKS[workload]
        torch.manual_seed(0)
        self.model, another = make(), make()
        self.optimizers = {
            own: SGD(model.parameters(), lr=0.01) for own, model in ((True, self.model), (False, another))
        }

    def place(self) -> None:
        """Move the model to the device."""
        self.model.to(self._device)

    def loader(self) -> Iterable[list[Tensor]]:
        """Images and their classes in batches of 64, shuffled, in this process."""
        return torch.utils.data.DataLoader(self._digits, BATCH, shuffle=True)

    def copy(self, batch: Sequence[Tensor]) -> Sequence[Tensor]:
        """The batch on the device."""
        return [tensor.to(self._device) for tensor in batch]

    def train(self, batch: Sequence[Tensor], own_optimizer: bool) -> None:
        """Forward, backward and SGD."""
        images, labels = batch
        optimizer = self.optimizers[own_optimizer]
        optimizer.zero_grad()
        F.cross_entropy(self.model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def resident(self) -> Callable[[], Any]:
        """The step of the workload, as the suite measures it elsewhere."""
        return workloads.build(Case(self._workload, self._device, BATCH), sources=self._sources)
