"""What a call does, counted in a pass of its own: its operators, the least memory traffic that they need, its casts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench_core.core.counts import CallCounts

GATHERS = frozenset(("embedding", "index", "index_select", "gather", "take_along_dim"))
"""Operators that read only as much of their first tensor as they put out."""
SCATTERS = frozenset(("index_put_", "index_copy_", "index_add_", "index_fill_", "scatter_", "scatter_add_"))
"""Operators that write only as much of their first tensor as their last one has."""
OVERWRITES = frozenset(("copy_", "fill_", "zero_", "normal_", "uniform_", "random_", "bernoulli_", "exponential_"))
"""In-place operators that do not read what they write over."""
CASTS = {"_to_copy": 0, "copy_": 1}
"""The operators that can cast, and which of their arguments is cast."""
UNWRITTEN = ("empty", "new_empty")
"""What the names of operators begin with that only allocate."""


@dataclass(frozen=True)
class Counted:
    """What was counted of a call. ``cast_weights`` and ``cast_others`` are how many numbers were copied to another
    floating-point dtype: those of weights, and all others."""

    counts: CallCounts
    cast_weights: int
    cast_others: int


def count(fn: Callable[[], Any], weights: Iterable[Tensor] = ()) -> Counted:
    """Call a function once and count what it does; see ``CallCounts`` for the limits.

    Operators of other processes, and those that a compiler or a CUDA graph has put together, are not seen.
    """
    with _Operators(weights) as seen:
        fn()
    counts = CallCounts(seen.operators, seen.read, seen.written, sum(seen.touched.values()), seen.moved)
    return Counted(counts, seen.cast_weights, seen.cast_others)


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches the operators of a call, forward and backward."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operators = self.read = self.written = self.moved = self.cast_weights = self.cast_others = 0
        self.touched: dict[int, int] = {}
        self._weights = {id(weight) for weight in weights}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch need not keep its compiler away: to do so it would import it, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled():
            # Here operators that consist of others are not taken apart before they arrive.
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        output = func(*args, **kwargs)
        self._note(func, args, kwargs, output)
        return output

    def _note(self, func: Any, args: Any, kwargs: Any, output: Any) -> None:
        name = func.overloadpacket.__name__
        if name in CASTS:
            self._note_cast(args[CASTS[name]], output)
        inputs = _different(_tensors((args, kwargs)))
        changed = _different(_tensors(_changed(func, args, kwargs)))
        made = _different(t for t in _tensors(output) if _storage(t) not in {_storage(t) for t in inputs})
        if name.startswith(UNWRITTEN) or not (changed or made):
            return  # it allocates, or it makes a view
        read = [] if name.endswith("_like") or name.startswith("new_") else inputs
        if name in OVERWRITES or func._overloadname.endswith("out"):
            read = [t for t in read if not any(t is other for other in changed)]
        self.operators += 1
        if len({t.device for t in (*read, *changed, *made) if t.dim()}) > 1:
            self.moved += sum(map(nbytes, (*changed, *made)))
            return
        sizes = _limited(name, read, changed, made)
        self.read += sum(sizes.get(id(t), nbytes(t)) for t in read)
        self.written += sum(sizes.get(id(t), nbytes(t)) for t in (*changed, *made))
        for tensor in (*inputs, *made):
            self._touch(tensor, sizes.get(id(tensor), nbytes(tensor)))

    def _note_cast(self, source: Any, target: Any) -> None:
        pair = (source, target)
        if not all(isinstance(t, Tensor) and t.is_floating_point() for t in pair) or source.dtype == target.dtype:
            return
        if id(source) in self._weights:
            self.cast_weights += target.numel()
        else:
            self.cast_others += target.numel()

    def _touch(self, tensor: Tensor, size: int) -> None:
        place = _storage(tensor)
        self.touched[place] = max(self.touched.get(place, 0), size)


def nbytes(tensor: Tensor) -> int:
    """The bytes of memory that a tensor covers: those of a dimension that only repeats another are not counted."""
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        elements *= size if stride or not size else 1
    return min(elements * tensor.element_size(), int(tensor.untyped_storage().nbytes()))


def _limited(name: str, read: list[Tensor], changed: list[Tensor], made: list[Tensor]) -> dict[int, int]:
    """The bytes of the tensor of which a gather reads, or a scatter writes, only a part; by the tensor's id."""
    if name in GATHERS and read and made:
        return {id(read[0]): min(nbytes(read[0]), sum(map(nbytes, made)))}
    if name in SCATTERS and changed and read[1:]:
        return {id(changed[0]): min(nbytes(changed[0]), nbytes(read[-1]))}
    return {}


def _changed(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """The arguments that an operator writes to, as its schema says."""
    found = []
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append(args[i] if i < len(args) else kwargs.get(argument.name))
    return found


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.layout is torch.strided]


def _different(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Each tensor once, and those that cover the same memory in the same way once."""
    found: dict[Any, Tensor] = {}
    for t in tensors:
        found.setdefault((_storage(t), t.storage_offset(), t.shape, t.stride()), t)
    return list(found.values())


def _storage(tensor: Tensor) -> int:
    """What is the same for tensors that share memory: where it is, or, if there is none, which object has it."""
    storage = tensor.untyped_storage()
    return storage.data_ptr() or -id(storage._cdata)
