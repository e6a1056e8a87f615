"""The variant ``cuda_graph``: a step's work is captured once on the GPU and then replayed by a single launch.

All calls but the first skip Python and the launches of single kernels; the first call is therefore a slow cold start.
Each call copies the next batch into the captured memory and replays; nothing else differs from eager.
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
"""Calls before the capture, as torch's notes on CUDA graphs advise: in them, libraries create their handles and
workspaces, and optimizers their state."""


@dataclass(frozen=True)
class CapturedGraph:
    """Captured work: ``replay`` executes it again on the same memory and overwrites ``output``."""

    replay: Callable[[], None]
    output: Any


Capture = Callable[[Callable[[], Any], torch.device], CapturedGraph]


def capture(work: Callable[[], Any], device: torch.device) -> CapturedGraph:
    """Warm up, then capture, on a separate stream as torch requires. Capturing does not execute the work."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream), warnings.catch_warnings():
        # Optimizers warn that their step can be captured but is not being captured.
        warnings.filterwarnings("ignore", message=".*capturable", category=UserWarning)
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device), torch.cuda.graph(graph, stream=stream):
        output = work()
    return CapturedGraph(graph.replay, output)


class StaticFeed:
    """Yields the same tensors every time; ``advance`` copies the next batch of another feed into them."""

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
    """A callable that does ``work`` on the next batch of ``feed``: the first call captures it, every call replays it.

    The warm-up calls before the capture train the model. So ``keep`` saves the state before them and returns the
    function that restores it: the first replay is the first step, from the first weights. What a call returns and what
    it leaves in ``.grad`` is valid until the next call.
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
        """Do the work once; the next call overwrites what it returns."""
        self._feed.advance()
        if self._graph is None:
            restore = self._keep()
            self._graph = self._capture(self._work, self._device)
            restore()
        self._graph.replay()
        return self._graph.output


def count_on_device(optimizer: Optimizer) -> None:
    """Let an optimizer that counts its steps (Adam) count on the GPU: a count on the host would not advance."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
