"""Weights of large networks in less time than ``BuildContext.model`` takes, which draws them in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from bench_core.workloads.kit import BuildContext


def draw_quickly(patch: pytest.MonkeyPatch) -> None:
    """From now on, draw each network's weights once and in fp32: other numbers, but from the same distribution."""
    patch.setattr(BuildContext, "model", _drawn_once(BuildContext.model))


def _drawn_once(original: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    drawn: dict[tuple[Callable[[], nn.Module], int], nn.Module] = {}

    def model(ctx: BuildContext, make: Callable[[], nn.Module], *, train: bool) -> nn.Module:
        key = make, ctx.case.seed
        if key not in drawn:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(ctx.case.seed)
                drawn[key] = make()
        return original(ctx, lambda: copy.deepcopy(drawn[key]), train=train)

    return model
