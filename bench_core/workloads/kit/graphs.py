"""The variant ``cuda_graph``: a step's work is captured once on the GPU and then replayed by a single launch.

Python and the launches of single kernels are left out of all calls but the first, which is therefore a slow cold start.
Each call copies the next batch into the memory that was captured and replays; nothing else differs from eager.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

WARM_UPS = 3
"""Calls before the capture, as torch's notes on CUDA graphs advise: libraries make their handles and workspaces, and
optimizers their state."""


@dataclass(frozen=True)
class CapturedGraph:
    """Work that was captured: ``replay`` does it again, on the same memory, and overwrites ``output``."""

    replay: Callable[[], None]
    output: Any


Capture = Callable[[Callable[[], Any], torch.device], CapturedGraph]


def capture(work: Callable[[], Any], device: torch.device) -> CapturedGraph:
    """Warm up, then capture, on a stream of its own as torch requires. Capturing does not execute the work."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream), warnings.catch_warnings():
        # Optimizers warn that their step could be captured and is not.
        warnings.filterwarnings("ignore", message=".*capturable", category=UserWarning)
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device), torch.cuda.graph(graph, stream=stream):
        output = work()
    return CapturedGraph(graph.replay, output)


class StaticFeed:
    """Feeds the same tensors every time; ``advance`` copies the next batch of another feed into them."""

    def __init__(self, feed: Iterator[Any]) -> None:
        self._feed = feed
        self._batch: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._batch

    def advance(self) -> None:
        """Take the next batch: a tensor, or a sequence of tensors."""
        batch = next(self._feed)
        if self._batch is None:
            self._batch = batch.clone() if isinstance(batch, Tensor) else tuple(part.clone() for part in batch)
        else:
            for static, fresh in zip(_parts(self._batch), _parts(batch), strict=True):
                static.copy_(fresh)


def _parts(batch: Any) -> Iterable[Tensor]:
    return (batch,) if isinstance(batch, Tensor) else batch


class Replayed:
    """A call that does ``work`` on the next batch of ``feed``: the first call captures it, each replays it.

    The calls before the capture train, so the state that ``keep`` saves is restored after them: the first replay is the
    first step from the first weights. What a call returns, and what it leaves in ``.grad``, hold until the next call.
    """

    def __init__(
        self,
        work: Callable[[], Any],
        feed: StaticFeed,
        keep: Callable[[], Callable[[], None]],
        optimizers: Iterable[Optimizer],
        device: torch.device,
        capture: Capture,
    ) -> None:
        for optimizer in optimizers:
            count_on_device(optimizer)
        self._work, self._feed, self._keep = work, feed, keep
        self._device, self._capture = device, capture
        self._graph: CapturedGraph | None = None

    def __call__(self) -> Any:
        """Do the work once; what it returns is overwritten by the next call."""
        self._feed.advance()
        if self._graph is None:
            restore = self._keep()
            self._graph = self._capture(self._work, self._device)
            restore()
        self._graph.replay()
        return self._graph.output


def count_on_device(optimizer: Optimizer) -> None:
    """Let an optimizer that counts its steps (Adam) do so on the GPU: read from the host, the count would be frozen."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
