"""Data parallelism: each rank trains on its share of the rows, and torch's DDP averages the gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from bench_core.core.errors import CaseSkipped
from bench_core.hardware.ranks import Ranks


class Team:
    """What the ranks of a training share. A process that is alone takes all rows and leaves its models as they are.

    ``shares`` is the number of ranks that the case is divided over. A process that is alone computes as they would
    together: batch normalization takes the statistics of each share, not of the batch.
    """

    def __init__(self, ranks: Ranks, device: torch.device, shares: int = 1) -> None:
        self._ranks, self._device = ranks, device
        self._alone_for = 1 if ranks.launched else shares
        self._models: list[DistributedDataParallel] = []

    def share(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """This rank's rows of a batch. Every rank has as many, so the mean of their gradients is that of the batch.

        Raises ``CaseSkipped`` if the rows cannot be divided equally.
        """
        rank, size = self._ranks.rank, self._ranks.size
        if any(len(rows) % size for rows in batch):
            raise CaseSkipped(f"{len(batch[0])} rows cannot be divided equally among {size} ranks")
        return batch if size == 1 else tuple(rows[rank::size].contiguous() for rows in batch)

    def mean(self, loss_of: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss of a batch: of this rank's rows, or, for a process that is alone, the mean over all shares."""
        count = self._alone_for
        if count == 1:
            return loss_of

        def mean_of_shares(inputs: Tensor, targets: Tensor) -> Tensor:
            losses = [loss_of(inputs[rank::count].contiguous(), targets[rank::count]) for rank in range(count)]
            return torch.stack(losses).mean()

        return mean_of_shares

    def parallel(self, model: Callable[..., Any]) -> Callable[..., Any]:
        """A model whose gradients are the mean over all ranks."""
        if not self._ranks.launched:
            return model
        assert isinstance(model, torch.nn.Module), "DDP takes modules"
        on = None if self._device.type == "cpu" else [torch.accelerator.current_device_index()]
        self._models.append(DistributedDataParallel(model, device_ids=on))
        return self._models[-1]

    def local(self, fn: Callable[[], Any]) -> Callable[[], Any] | None:
        """``fn``, but each rank keeps its own gradients. ``None`` where there is no communication to leave out."""
        if not self._models:
            return None

        def run() -> Any:
            with contextlib.ExitStack() as stack:
                for model in self._models:
                    stack.enter_context(model.no_sync())
                return fn()

        return run
