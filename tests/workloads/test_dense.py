"""Perceptrons, activations and losses: what their sources ask for beyond a parameter count."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench_core import Case, workloads
from bench_core.workloads.dense import activations, mlp

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")


def test_perceptron_gives_logits_of_digits() -> None:
    step = workloads.build(Case("mlp_infer", batch_size=5))
    assert step.data == "digits stand-in"
    assert step().shape == (5, 10)


def test_perceptron_starts_from_an_even_guess() -> None:
    # Cross-entropy of logits near 0; with a softmax in the model the loss could never fall below 1.46.
    assert workloads.build(Case("mlp_train", batch_size=512))() == pytest.approx(math.log(10), abs=0.15)


def test_deep_perceptron_gives_log_probabilities() -> None:
    model = workloads.build(Case("ann_train", batch_size=10)).modules["model"]
    sums = model(torch.randn(7, 1, 28, 28)).exp().sum(1)
    assert torch.allclose(sums, torch.ones(7))


def test_hand_written_relu_equals_that_of_torch() -> None:
    x = torch.randn(64, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mlp.Rectify.apply, (x,))
    x = torch.tensor([-1.0, -0.0, 0.0, 2.0], requires_grad=True)
    ours, torchs = mlp.Rectify.apply(x), torch.relu(x)
    assert torch.equal(ours, torchs)
    assert torch.equal(*(torch.autograd.grad(y.sum(), x)[0] for y in (ours, torchs)))


def test_custom_autograd_trains_as_the_plain_network() -> None:
    ours, plain = (workloads.build(Case(name, batch_size=16)) for name in ("custom_autograd_mlp", "mlp_train"))
    for _ in range(5):
        assert torch.equal(ours(), plain())


BY_HAND: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "relu": (lambda x: x.clamp(min=0), F.relu),
    "leaky_relu": (lambda x: torch.where(x > 0, x, 0.01 * x), F.leaky_relu),
    "tanh": (lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()), F.tanh),
    "sigmoid": (lambda x: 1 / (1 + (-x).exp()), F.sigmoid),
    "bce": (
        lambda x, y: -(y * x.sigmoid().log() + (1 - y) * (1 - x.sigmoid()).log()).mean(),
        lambda x, y: F.binary_cross_entropy(x.sigmoid(), y),
    ),
    "cross_entropy": (
        lambda x, y: -(x.exp() / x.exp().sum(1, keepdim=True)).log()[torch.arange(len(y)), y].mean(),
        lambda x, y: F.nll_loss(F.log_softmax(x, 1), y),
    ),
    "mse": (lambda x, y: ((x - y) ** 2).mean(), F.mse_loss),
    "mae": (lambda x, y: (x - y).abs().mean(), F.l1_loss),
}
FLOPS = {"relu": 1, "leaky_relu": 2, "tanh": 1, "sigmoid": 3, "bce": 9, "cross_entropy": 4, "mse": 3, "mae": 3}


@pytest.mark.parametrize("setting", workloads.get("activations_losses").settings)
def test_activations_and_losses_equal_their_formulas_and_those_of_torch(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    operands = activations.operands
    monkeypatch.setattr(activations, "operands", lambda *args: given.append(operands(*args)) or given[-1])
    step = workloads.build(Case("activations_losses", batch_size=4096, setting=setting))
    output = step()
    assert step.units == given[0][0].numel() == 4096
    classes = activations.CLASSES
    assert given[0][0].shape == ((4096 // classes, classes) if setting == "cross_entropy" else (4096,))
    for function in BY_HAND[setting]:
        assert torch.allclose(output, function(*given[0]), rtol=1e-5, atol=1e-6)
    assert step.flops == FLOPS[setting] * 4096
