"""How many numbers a call casts from one floating-point dtype to another: counted once, after it was measured."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench_core.core.case import Case
from bench_core.core.modes import Casting, Casts
from bench_core.core.step import Step

HIDDEN = ("compile", "cuda_graph")
"""Variants whose calls do not show their single operators."""
CASTS = {"_to_copy": 0, "to": 0, "copy_": 1}
"""The operators that can cast, and which of their arguments is cast. In inference mode ``to`` is not taken apart."""


def casts_of(step: Step, case: Case, mode: Casting | None) -> Casts | None:
    """How a case computes in 16 bits, with the casts of one more call where they can be seen; ``None`` for others."""
    if mode is None:
        return None
    if any(part in HIDDEN for part in case.variant_parts):
        return Casts(mode)
    counter = _Casts(step)
    with counter:
        step()
    return Casts(mode, weights=counter.weights, others=counter.others)


class _Casts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the elements that are copied to another floating-point dtype, those of weights apart."""

    def __init__(self, step: Step) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._own = {id(weight) for module in step.modules.values() for weight in module.parameters()}
        self.weights = self.others = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch need not keep its compiler away: to do so it would import it, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in CASTS:
            self._count(args[CASTS[name]], output)
        return output

    def _count(self, source: Any, target: Any) -> None:
        if not _is_cast(source, target):
            return
        if id(source) in self._own:
            self.weights += target.numel()
        else:
            self.others += target.numel()


def _is_cast(source: Any, target: Any) -> bool:
    pair = (source, target)
    return all(isinstance(t, Tensor) and t.is_floating_point() for t in pair) and source.dtype != target.dtype
