"""Perceptrons, activations and losses: what their sources ask for beyond a parameter count."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench_core import Case, workloads
from bench_core.core.errors import ParityError
from bench_core.workloads.dense import activations, mlp
from tests.support import parity
from tests.support.feeds import Fed
from tests.support.parity import in_float64

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
    "softmax": (lambda x: x.exp() / x.exp().sum(1, keepdim=True), lambda x: F.softmax(x, 1)),
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
# Each gradient from the formula, of inputs x and what reaches an activation, or of x and the targets of a loss.
GRADIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda x, g: g * (x > 0),
    "leaky_relu": lambda x, g: torch.where(x > 0, g, 0.01 * g),
    "tanh": lambda x, g: g / x.cosh() ** 2,
    "sigmoid": lambda x, g: g * x.exp() / (1 + x.exp()) ** 2,
    "softmax": lambda x, g: probabilities(x) * (g - (g * probabilities(x)).sum(1, keepdim=True)),
    "bce": lambda x, y: (1 / (1 + (-x).exp()) - y) / x.numel(),
    "cross_entropy": lambda x, y: (probabilities(x) - F.one_hot(y, x.shape[1])) / len(x),
    "mse": lambda x, y: 2 * (x - y) / x.numel(),
    "mae": lambda x, y: (x - y).sign() / x.numel(),
}
FLOPS = {"relu": (1, 1), "leaky_relu": (2, 2), "tanh": (1, 3), "sigmoid": (3, 3), "softmax": (5, 4)}
FLOPS |= {"bce": (9, 5), "cross_entropy": (4, 2), "mse": (3, 2), "mae": (3, 3)}


def probabilities(x: Tensor) -> Tensor:
    return x.exp() / x.exp().sum(1, keepdim=True)


@pytest.mark.parametrize("name", BY_HAND)
def test_activations_and_losses_equal_their_formulas_and_those_of_torch(name: str, fed: Fed) -> None:
    step = in_float64("activations_losses", 4096, name)
    output, given = step(), fed[0]
    assert step.units == given[0].numel() == 4096
    classes = activations.CLASSES
    in_rows = name in ("softmax", "cross_entropy")
    assert given[0].shape == ((4096 // classes, classes) if in_rows else (4096,))
    for function in BY_HAND[name]:
        assert torch.allclose(output, function(*given), rtol=1e-10, atol=1e-14)
    assert step.flops == FLOPS[name][0] * 4096


@pytest.mark.parametrize("name", BY_HAND)
def test_gradients_of_activations_and_losses_equal_their_formulas(name: str, fed: Fed) -> None:
    step = in_float64("activations_losses", 4096, f"{name}-forward_backward")
    output, (x, other) = step(), fed[0]
    assert torch.allclose(output, GRADIENTS[name](x, other), rtol=1e-10, atol=1e-14)
    assert step.units == 4096
    assert step.flops == sum(FLOPS[name]) * 4096
    assert not any(tensor.requires_grad for batch in fed for tensor in batch)


class StraightThrough(torch.autograd.Function):
    """A ReLU whose gradient is wrong: it passes where the input was negative, too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("relu", StraightThrough.apply),
        ("softmax", lambda x: torch.softmax(x, 0)),
        ("cross_entropy", lambda x, y: F.cross_entropy(x, y, reduction="sum")),
    ],
)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_wrong_gradient_is_caught(
    name: str, wrong: Callable[..., Tensor], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("activations_losses", batch_size=4096, setting=f"{name}-forward_backward", dtype=dtype)
    sound = parity.check(case)
    assert 0 <= sound.error <= sound.tolerance
    with monkeypatch.context() as patch:
        patch.setitem(activations.FUNCTIONS, name, activations.FUNCTIONS[name]._replace(fn=wrong))
        step = workloads.build(case)
    with pytest.raises(ParityError, match="outputs: relative error"):
        parity.check(case, step)


def test_reduction_is_the_exact_sum(fed: Fed) -> None:
    step = in_float64("reduction", 10_000)
    assert float(step()) == pytest.approx(math.fsum(fed[0].tolist()), rel=1e-10)
    assert step.units == step.flops == 10_000


def test_sum_without_its_last_elements_is_caught(fed: Fed) -> None:
    case = Case("reduction", batch_size=2**16)
    step = workloads.build(case)
    batch = fed[0]
    with pytest.raises(ParityError, match="outputs: relative error"):
        parity.check(case, replace(step, fn=lambda: batch[:-8].sum()))


def test_copy_is_made_in_memory_of_its_own(fed: Fed) -> None:
    step = workloads.build(Case("device_copy", batch_size=1000))
    assert len(fed) > 1
    for source, target in fed:
        assert not torch.equal(source, target)
        copy = step()
        assert copy is target
        assert copy.data_ptr() != source.data_ptr()
        assert torch.equal(copy, source)
    assert step.units == 1000


def test_copy_of_a_part_is_caught(fed: Fed) -> None:
    case = Case("device_copy", batch_size=1000)
    step = workloads.build(case)
    source, target = fed[0]
    target[:-100].copy_(source[:-100])
    with pytest.raises(ParityError, match="outputs: relative error"):
        parity.check(case, replace(step, fn=lambda: target))
