"""``mlp_train`` as common tutorials write it, in the parts that the ladder combines. Its mistakes are intentional."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD

from bench_core import workloads
from bench_core.core.case import NO_SOURCES, Case, Sources
from bench_core.workloads.data.digits import mnist_root
from bench_core.workloads.dense.mlp import perceptron

WORKLOAD, BATCH = "mlp_train", 64


class DigitsTraining:
    """``mlp_train`` as tutorials write it: torchvision's MNIST (or its stand-in) in a loader, copied batch by batch."""

    def __init__(self, device: str, sources: Sources = NO_SOURCES) -> None:
        from torchvision import datasets, transforms

        root, self.data = mnist_root(sources.data)
        prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
        self._digits = datasets.MNIST(root, train=True, transform=prepare)
        self._device, self._sources = device, sources
        torch.manual_seed(0)
        self.model, another = perceptron(), perceptron()
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
        return workloads.build(Case(WORKLOAD, self._device, BATCH), sources=self._sources)
