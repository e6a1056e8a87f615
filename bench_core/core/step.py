"""A built case, ready to call. Names torch's types without importing torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    Output = Tensor | dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """A built case, ready to call: ``step()`` does the work once and returns its output.

    ``units`` is the number of units of work per call, ``flops`` the number of floating-point operations per call at 2
    per multiply-add (``None`` if that is not defined). ``devices`` are the devices to synchronize. ``stages`` holds the
    stages of a pipeline, to be timed one by one: calling them in turn, ``stage_cycles`` times over, does the work of
    one call. ``loading`` and ``moving`` name those that prepare inputs on the host, and those that copy from device to
    device. ``data`` describes the input. Of work over ranks, ``local`` is a call without communication, and
    ``bus_bytes`` what a call moves over the slowest link at least, as nccl-tests defines it.
    """

    fn: Callable[[], Output]
    units: int
    flops: int | None
    devices: tuple[str, ...]
    data: str
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    optimizers: Mapping[str, Optimizer] = field(default_factory=dict)
    stages: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    stage_cycles: int = 1
    loading: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()
    local: Callable[[], Any] | None = None
    bus_bytes: float | None = None

    def __call__(self) -> Output:
        """Do the work once."""
        return self.fn()

    @property
    def parameters(self) -> int:
        """The number of trainable parameters of all modules."""
        return sum(p.numel() for module in self.modules.values() for p in module.parameters())
