"""Data parallelism: each rank trains on its share of the rows, and torch's DDP or FSDP2 averages the gradients."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bench_core.core.errors import CaseSkipped, DefinitionError
from bench_core.hardware.ranks import Ranks

_OPTIONS = inspect.signature(DistributedDataParallel.__init__).parameters
NO_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _OPTIONS else "broadcast_buffers"
"""The option of DDP that sends buffers; torch 2.15 has renamed it."""


class Team:
    """What the ranks of a training share. A process that is alone takes all rows and leaves its models as they are.

    ``shares`` is the number of ranks that the case is divided over. A process that is alone computes as they would
    together: batch normalization takes the statistics of each share, not of the batch. With ``sharding``, each rank
    keeps a part of the weights only.
    """

    def __init__(self, ranks: Ranks, device: torch.device, shares: int = 1, sharding: bool = False) -> None:
        self._ranks, self._device, self._sharding = ranks, device, sharding and ranks.launched
        self._alone_for = 1 if ranks.launched else shares
        self._models: list[DistributedDataParallel] = []
        self._sharded: list[nn.Module] = []

    def share(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """This rank's rows of a batch. Every rank has as many, so the mean of their gradients is that of the batch.

        Raises ``CaseSkipped`` if the rows cannot be divided equally.
        """
        rank, size = self._ranks.rank, self._ranks.size
        if any(len(rows) % size for rows in batch):
            raise CaseSkipped(f"{len(batch[0])} rows cannot be divided equally among {size} ranks")
        return batch if size == 1 else tuple(rows[rank::size].contiguous() for rows in batch)

    def parallel(self, model: Callable[..., Any], *, buffers: bool = True) -> Callable[..., Any]:
        """A model whose gradients are the mean over all ranks.

        ``buffers``: each forward call sends those of the first rank to all, as DDP does by default; not possible where
        a model is called several times before it learns. Raises ``DefinitionError`` for a model that was to be given to
        ``sharded``.
        """
        if not self._ranks.launched:
            return model if self._alone_for == 1 else partial(by_share, model, self._alone_for)
        if any(model is sharded for sharded in self._sharded):
            return model
        if self._sharding:
            raise DefinitionError("the variant fsdp: give the model to team.sharded before its optimizer is made")
        assert isinstance(model, torch.nn.Module), "DDP takes modules"
        on = None if self._device.type == "cpu" else [torch.accelerator.current_device_index()]
        options: dict[str, Any] = {} if buffers else {NO_BUFFERS: False}
        self._models.append(DistributedDataParallel(model, device_ids=on, **options))
        return self._models[-1]

    def sharded(self, model: nn.Module) -> nn.Module:
        """A model of which each rank keeps a part of the weights, their gradients and the optimizer's numbers (FSDP2),
        if the case asks for that. It is changed in place; call this before its optimizer is made, and after its FLOPs
        are counted.

        The weights of each of its direct parts are gathered before it is called, forward and backward. The gradients
        are the mean over all ranks, as with ``parallel``.
        """
        if not self._sharding:
            return model
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self._device.type, (self._ranks.size,))
        for part in (*model.children(), model):
            if any(True for _ in part.parameters()):
                own = fully_shard(part, mesh=mesh)
                own.set_force_sum_reduction_for_comms(self._device.type == "cpu")  # gloo has no mean
        self._sharded.append(model)
        return model

    def local(self, fn: Callable[[], Any]) -> Callable[[], Any] | None:
        """``fn``, but each rank keeps its own gradients. ``None`` where there is no communication to leave out, or
        where it cannot be: a rank that keeps a part of the weights alone has to get the others."""
        if not self._models:
            return None

        def run() -> Any:
            with contextlib.ExitStack() as stack:
                for model in self._models:
                    stack.enter_context(no_sync(model))
                return fn()

        return run


def by_share(model: Callable[..., Tensor], count: int, *inputs: Tensor) -> Tensor:
    """The rows that a model makes of these, when it is called with each of so many shares of them."""
    outputs = [model(*(rows[rank::count].contiguous() for rows in inputs)) for rank in range(count)]
    return torch.stack(outputs, dim=1).flatten(0, 1)


def no_sync(model: Callable[..., Any]) -> contextlib.AbstractContextManager[None]:
    """While this lasts, the gradients of a parallel model are not communicated, as when its weights do not learn."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else contextlib.nullcontext()
