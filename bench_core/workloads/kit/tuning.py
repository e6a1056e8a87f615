"""What tunings do to a step that is not compiled: fused optimizers, and cuDNN's search for the fastest algorithm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.optim import Optimizer

from bench_core.core.errors import CaseSkipped


def tuned(
    names: Collection[str], fn: Callable[[], Any], parts: dict[str, Any]
) -> tuple[Callable[[], Any], dict[str, Any]]:
    """The function and the further parts of a step, with the tunings among ``names``: the parts of its variant.

    Raises ``CaseSkipped`` if there is nothing to tune. What is to be captured is tuned before.
    """
    if "fused" in names:
        fuse(parts.get("optimizers", {}).values())
    if "cudnn_benchmark" not in names:
        return fn, parts
    check_convolutions(parts.get("modules", {}).values())
    stages = {name: searching(stage) for name, stage in parts.get("stages", {}).items()}
    return searching(fn), {**parts, "stages": stages}


def fuse(optimizers: Iterable[Optimizer]) -> None:
    """Let each optimizer update all of its weights in one kernel.

    Raises ``CaseSkipped`` if there is no optimizer, and for one of which torch has no fused form.
    """
    optimizers = list(optimizers)
    if not optimizers:
        raise CaseSkipped("fused: its step has no optimizer")
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if "fused" not in group:
                raise CaseSkipped(f"fused: torch has no fused {type(optimizer).__name__}")
            group["fused"], group["foreach"] = True, False


def check_convolutions(modules: Iterable[nn.Module]) -> None:
    """Raise ``CaseSkipped`` if there is no convolution, which is all that cuDNN searches algorithms for."""
    if not any(isinstance(part, _ConvNd) for module in modules for part in module.modules()):
        raise CaseSkipped("cudnn_benchmark: there is no convolution, so nothing that cuDNN chooses")


def searching(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn``, during which cuDNN tries its algorithms for each convolution that is new to it.

    The switch is one of the process: other steps keep what they had.
    """

    @wraps(fn)
    def call(*args: Any) -> Any:
        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = True
        try:
            return fn(*args)
        finally:
            torch.backends.cudnn.benchmark = before

    return call
