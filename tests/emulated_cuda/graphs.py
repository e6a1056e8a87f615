"""Stream capture and CUDA graphs: a tape of kernels with the memory they work on, which a launch does again.

The tape has what a graph has: it keeps no tensor alive, and runs no Python of the program. As on a GPU, capturing does
not execute the work: memory from before the capture is put back when it ends, and the graph's own memory holds no
numbers until the first launch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from tests.emulated_cuda.memory import alias, is_cuda

Kernel = Callable[..., Any]


class Tape:
    """What is captured on a stream. All tensors are CPU tensors on the memory of emulated GPUs, or pinned ones."""

    def __init__(self) -> None:
        self._entries: list[tuple[Kernel, tuple[Any, ...], Mapping[str, Any], list[Tensor]]] = []
        self._own: dict[int, Tensor] = {}
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def allocated(self, tensors: Iterable[Tensor]) -> None:
        """Note that memory belongs to the graph."""
        self._own |= {tensor.untyped_storage().data_ptr(): tensor for tensor in tensors if tensor.numel()}

    def about_to_write(self, tensors: Iterable[Tensor]) -> None:
        """Save memory, unless it belongs to the graph."""
        for tensor in tensors:
            place = tensor.untyped_storage().data_ptr()
            if place not in self._own and place not in self._before:
                whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
                self._before[place] = whole, whole.clone()

    def record(self, kernel: Kernel, args: tuple[Any, ...], kwargs: Mapping[str, Any], results: list[Tensor]) -> None:
        """Add a kernel, its arguments, and the memory that its results are to be in."""
        self._entries.append((kernel, args, kwargs, results))

    def end(self) -> None:
        """Undo what capturing did to memory."""
        for memory, content in self._before.values():
            memory.copy_(content)
        for memory in self._own.values():
            if memory.is_floating_point():
                memory.fill_(torch.nan)
        self._before.clear()
        self._own.clear()

    def replay(self) -> None:
        """Do it all again, on the same memory."""
        for kernel, args, kwargs, results in self._entries:
            made = [value for value in tree_leaves(kernel(*args, **kwargs)) if isinstance(value, Tensor)]
            for old, new in zip(results, made, strict=True):
                if old.numel() and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


_tapes: dict[int, Tape] = {}
_open: Tape | None = None


def capturing() -> Tape | None:
    """The tape of the current stream; ``None`` where it is not being captured."""
    return _open if _open is not None and torch.cuda.is_current_stream_capturing() else None


def allocated(tensor: Tensor) -> None:
    """Note that a tensor was allocated on an emulated GPU: during a capture its memory belongs to the graph."""
    if (tape := capturing()) is not None and is_cuda(tensor):
        tape.allocated([alias(tensor)])


def begin(graph: int) -> None:
    """A stream's capture into a graph of this number begins."""
    global _open
    _open = _tapes[graph] = Tape()


def end(graph: int) -> None:
    """A capture ends."""
    global _open
    _open = None
    with _memory_only():
        _tapes[graph].end()


def launch(graph: int) -> None:
    """A graph is launched."""
    with _memory_only():
        _tapes[graph].replay()


def destroy(graph: int) -> None:
    """A graph is forgotten."""
    _tapes.pop(graph, None)


@contextmanager
def _memory_only() -> Iterator[None]:
    """Without autograd, autocast, or a mode that watches operators."""
    with torch.inference_mode(), torch._C._DisableTorchDispatch(), torch._C._DisableAutocast():
        yield
