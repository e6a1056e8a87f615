"""The optimizer's step: algorithm 1 of Kingma & Ba, on the shapes of ResNet-50."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Adam

from bench_core import Case, Step, workloads
from bench_core.core.errors import CaseSkipped, ParityError
from bench_core.workloads.dense import adam
from tests.support import parity

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

SETTINGS = tuple(workloads.get("adam_step").settings)
ALPHA, BETA1, BETA2, EPSILON = 0.001, 0.9, 0.999, 1e-8


def algorithm_1(gradients: list[Tensor]) -> Tensor:
    """The weights after a step with each of these gradients, from 0."""
    theta = m = v = torch.zeros_like(gradients[0])
    for t, g in enumerate(gradients, 1):
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        theta = theta - ALPHA * (m / (1 - BETA1**t)) / ((v / (1 - BETA2**t)).sqrt() + EPSILON)
    return theta


def distance_from_algorithm_1(step: Step, steps: int = 4) -> float:
    """The largest difference of a weight after some steps with other gradients each, relative to the largest weight."""
    weights = list(step.modules["model"].parameters())
    generator = torch.Generator().manual_seed(0)
    gradients = []
    for _ in range(steps):
        gradients.append([torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights])
        for weight, gradient in zip(weights, gradients[-1], strict=True):
            weight.grad = gradient
        output = step()
    expected = [algorithm_1(list(each)) for each in zip(*gradients, strict=True)]
    differences = [(o - e).abs().max() for o, e in zip(output.values(), expected, strict=True)]
    return float(max(differences) / max(e.abs().max() for e in expected))


@pytest.mark.parametrize("setting", SETTINGS)
def test_weights_are_those_of_algorithm_1(setting: str) -> None:
    assert distance_from_algorithm_1(parity.in_float64("adam_step", 1, setting)) < 1e-10


@pytest.mark.parametrize("wrong", [{"betas": (0.9, 0.99)}, {"eps": 1e-3}, {"weight_decay": 0.01}, {"amsgrad": True}])
def test_another_rule_is_noticed(wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adam, "Adam", partial(Adam, **wrong))
    assert distance_from_algorithm_1(parity.in_float64("adam_step", 1)) > 1e-6


def test_wrong_learning_rate_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("adam_step", batch_size=2)
    assert parity.check(case).error < 1e-5
    with monkeypatch.context() as patch:
        patch.setattr(adam, "Adam", lambda weights, lr, **kwargs: Adam(weights, lr=1.01 * lr, **kwargs))
        step = workloads.build(case)
    with pytest.raises(ParityError, match="outputs: relative error"):
        parity.check(case, step)


@pytest.mark.parametrize("setting", SETTINGS)
def test_weights_and_averages_are_restored(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 3)
    step = workloads.build(Case("adam_step", batch_size=1, setting=setting))
    after = [torch.cat([w.flatten() for w in step().values()]) for _ in range(6)]
    assert not torch.equal(after[0], after[1])
    assert all(torch.equal(one, other) for one, other in zip(after[:3], after[3:], strict=True))


def test_shapes_are_those_of_resnet50() -> None:
    from torchvision.models import resnet50

    with torch.device("meta"):
        model = resnet50()
    shapes = adam.resnet50_shapes(64)
    assert shapes == [tuple(p.shape) for p in model.parameters()]
    assert len(shapes) == 161
    assert sum(torch.Size(shape).numel() for shape in shapes) == 25_557_032


@pytest.mark.parametrize("channels", [4, 16])
def test_units_are_parameters(channels: int) -> None:
    step = workloads.build(Case("adam_step", batch_size=channels))
    assert step.units == step.parameters == sum(torch.Size(s).numel() for s in adam.resnet50_shapes(channels))
    assert step.flops == 14 * step.units
    assert len(step()) == 161


def test_fused_step_that_the_device_does_not_have_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["cuda"])
    workloads.build(Case("adam_step", batch_size=1, setting="foreach"))()
    step = workloads.build(Case("adam_step", batch_size=1, setting="fused"))
    with pytest.raises(CaseSkipped, match="torch has no fused Adam for cpu"):
        step()


def test_another_error_of_the_step_is_not_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Adam):
        def step(self, *_: Any) -> Any:
            raise RuntimeError("illegal memory access")

    monkeypatch.setattr(adam, "Adam", Failing)
    step = workloads.build(Case("adam_step", batch_size=1, setting="fused"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        step()
