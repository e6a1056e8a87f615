"""Checks of what a step returns: it is finite, and on a device that was synchronized."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bench_core.core.errors import NotFiniteError
from bench_core.core.results import Measurement
from bench_core.core.step import Step
from bench_core.workloads.kit.feeds import RESTORE_EVERY

ENOUGH = 2**28
"""Numbers to inspect of a case at most, apart from those of a call that has begun; this takes a quarter of a second."""


def calls_to_check(m: Measurement, max_time: float) -> int:
    """As many calls as a training step makes between two restores, or fewer if they took over a tenth of the time."""
    return max(1, min(RESTORE_EVERY, int(max_time / 10 / m.median)))


def check_outputs(step: Step, calls: int) -> None:
    """Call the step so often, or until ``ENOUGH`` numbers have been seen, and inspect what it returns (a tensor, or a
    dict or sequence of them).

    Raises ``NotFiniteError`` for values that are not finite, and ``ValueError`` for output on a device that was not
    synchronized: its time would be that of launching the work.
    """
    synchronized = {device.partition(":")[0] for device in step.devices} | {"cpu"}
    seen = 0
    for _ in range(calls):
        if seen >= ENOUGH:
            break  # a matter of sizes, not of time, so that all ranks make the same number of calls
        for name, tensor in _tensors("output", step()):
            if tensor.device.type not in synchronized:
                raise ValueError(
                    f"{name} is on {tensor.device}, but the step was measured on {', '.join(step.devices)}; "
                    f"use device={tensor.device.type!r}"
                )
            seen += tensor.numel()
            if tensor.is_floating_point() and not _is_finite(tensor):
                raise NotFiniteError(f"{name} has values that are not finite, so its timing would be meaningless")


def _is_finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are finite. The extremes tell it twelve times faster than ``torch.isfinite`` of each."""
    if not tensor.numel():
        return True
    numbers = tensor.detach() if tensor.element_size() > 1 else tensor.detach().float()  # fp8 has no extremes
    return bool(torch.stack(torch.aminmax(numbers)).isfinite().all())


def _tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(str(key), item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for i, item in enumerate(value):
            yield from _tensors(f"{name}[{i}]", item)
