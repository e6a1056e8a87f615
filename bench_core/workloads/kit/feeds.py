"""Inputs in turn, and restoring the first weights, so that thousands of calls stay the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

if TYPE_CHECKING:
    pass


RESTORE_EVERY = 256
"""After this many training calls, the weights and the optimizer are restored to their first state. So thousands of
calls stay the same work: no collapsed loss, no denormals."""


def rotate(batches: Sequence[Any], restore: Callable[[], None] | None = None) -> Iterator[Any]:
    """The batches in turn, forever; ``restore`` is called after every ``RESTORE_EVERY`` of them."""
    return _restoring(cycle(batches), restore) if restore else cycle(batches)


def _restoring(turn: Iterator[Any], restore: Callable[[], None]) -> Iterator[Any]:
    while True:
        for _ in range(RESTORE_EVERY):
            yield next(turn)
        restore()


def epochs(inputs: Tensor, targets: Tensor, size: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of this size, forever: all rows in a new random order for each epoch, without a smaller last batch.

    Rows are gathered on their device. Raises ``ValueError`` if there are too few rows for one batch.
    """
    if len(targets) < size:
        raise ValueError(f"{len(targets)} rows are too few for a batch of {size}")
    while True:
        order = torch.from_numpy(rng.permutation(len(targets))).to(targets.device)
        for rows in order[: len(order) // size * size].view(-1, size).unbind():
            yield inputs[rows], targets[rows]


def restorer(models: Sequence[nn.Module], optimizers: Sequence[Optimizer]) -> Callable[[], None]:
    """A function that restores models and optimizers to their present state, in place, without synchronizing."""
    tensors = [t for model in models for t in chain(model.parameters(), model.buffers())]
    first = [t.detach().clone() for t in tensors]

    @torch.no_grad()
    def restore() -> None:
        for tensor, value in zip(tensors, first, strict=True):
            tensor.copy_(value)
        for optimizer in optimizers:
            for state in optimizer.state.values():
                for value in state.values():
                    if isinstance(value, Tensor):
                        value.zero_()

    return restore
