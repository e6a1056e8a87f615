"""Perceptrons, activations and losses: what their sources ask for beyond a parameter count."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from bench_core import Case, Step, workloads
from bench_core.core.errors import CaseSkipped, ParityError
from bench_core.execution.parity.gate import check_first_call
from bench_core.hardware import precision
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.workloads.data.digits import mnist
from bench_core.workloads.dense import activations, mlp, vae
from bench_core.workloads.dense.vae import divergence
from bench_core.workloads.kit import building
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


def exact(name: str, batch_size: int, setting: str = "") -> Step:
    """A step in float64."""
    return building.build_anywhere(
        workloads.get(name), Case(name, batch_size=batch_size, setting=setting), storage=torch.float64
    )


class TestAccuracy:
    @pytest.mark.parametrize("setting", ["batched", "per-sample"])
    def test_it_is_the_share_of_digits_whose_largest_logit_is_that_of_their_class(self, setting: str) -> None:
        step = exact("mlp_accuracy", 200, setting)
        first, second = (weight.detach().numpy() for weight in step.modules["model"].parameters() if weight.ndim == 2)
        biases = [weight.detach().numpy() for weight in step.modules["model"].parameters() if weight.ndim == 1]
        digits = mnist(train=False)
        rows = np.resize(np.random.default_rng(0).permutation(len(digits.images)), (8, 200))
        shares = []
        for chosen in rows[:3]:
            output = step()
            pixels = digits.images[chosen].reshape(200, 784) / 127.5 - 1
            logits = np.maximum(pixels @ first.T + biases[0], 0) @ second.T + biases[1]
            assert np.abs(logits - output["logits"].numpy()).max() <= 1e-10
            assert output["accuracy"].item() == (logits.argmax(1) == digits.labels[chosen]).mean()
            shares.append(output["accuracy"].item())
        assert len(set(shares)) > 1, "the digits rotate"

    @pytest.mark.parametrize(("setting", "reads"), [("batched", 1), ("per-sample", 50)])
    def test_the_host_reads_a_number_for_each_batch_or_for_each_sample(self, setting: str, reads: int) -> None:
        step = workloads.build(Case("mlp_accuracy", batch_size=50, setting=setting))
        with Reads() as seen:
            step()
        assert seen.count == reads

    @pytest.mark.parametrize("setting", ["batched", "per-sample"])
    def test_a_wrong_count_fails_the_check_against_float64(self, setting: str) -> None:
        w, case = workloads.get("mlp_accuracy"), Case("mlp_accuracy", batch_size=64, setting=setting)
        right = w.settings[setting]
        step, wrong = (
            building.build(replace(w, settings={setting: count}), case)
            for count in (right, lambda logits, labels: right(-logits, labels))
        )
        clock = SynchronizedClock(resolve(("cpu",)))
        assert check_first_call(w, case, step, clock).parity.error < 1e-5
        with pytest.raises(ParityError, match="outputs: relative error"):
            check_first_call(w, case, wrong, clock)


class Reads(TorchDispatchMode):
    """Counts the numbers that the host reads."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in (torch.ops.aten.item.default, torch.ops.aten._local_scalar_dense.default)
        return func(*args, **(kwargs or {}))


class TestVariationalAutoencoder:
    @staticmethod
    def bound(model: nn.Module, pixels: Tensor, noise: Tensor) -> Tensor:
        """The bound of each image, by torch.distributions."""
        hidden = model.encoder(pixels)
        posterior = Normal(model.mean(hidden), model.log_variance(hidden).exp().sqrt())
        drawn = posterior.loc + posterior.scale * noise
        likelihood = Bernoulli(model.decoder(drawn).sigmoid(), validate_args=False).log_prob(pixels).sum(1)
        return likelihood - kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)

    def test_loss_and_gradients_are_those_of_the_bound_by_distributions(self) -> None:
        step, given = exact("vae_train", 5), []
        model = step.modules["model"]
        twin = copy.deepcopy(model)
        model.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
        loss = step()
        ((pixels, noise),) = given
        by_hand = -self.bound(twin, pixels, noise).mean()
        by_hand.backward()
        assert abs(loss - by_hand) <= 1e-10 * abs(by_hand)
        for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            assert torch.linalg.norm(ours.grad - theirs.grad) <= 1e-10 * torch.linalg.norm(theirs.grad)

    def test_divergence_is_that_of_torch_and_zero_only_at_the_standard_normal(self) -> None:
        mean, log_variance = torch.randn(2, 6, 20, dtype=torch.float64)
        torchs = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
        assert (vae.divergence(mean, log_variance) - torchs).abs().max() <= 1e-10
        assert vae.divergence(mean, log_variance).min() > 0
        assert torch.equal(vae.divergence(0 * mean, 0 * log_variance), torch.zeros(6))

    def test_inputs_are_pixels_of_0_to_1_and_normal_noise_which_rotate(self) -> None:
        step, given = workloads.build(Case("vae_train", batch_size=100)), []
        step.modules["model"].register_forward_pre_hook(lambda _, inputs: given.append(inputs))
        step()
        step()
        (pixels, noise), (others, fresh) = given
        assert (pixels.shape, noise.shape) == ((100, 784), (100, 20))
        assert (pixels.min(), pixels.max()) == (0, 1)
        assert (noise.mean().item(), noise.std().item()) == pytest.approx((0, 1), abs=0.1)
        assert not torch.equal(pixels, others)
        assert not torch.equal(noise, fresh)
        assert step.optimizers["model"].defaults["lr"] == 0.001

    @pytest.mark.parametrize("wrong", [lambda m, v: 0 * m.sum(1), lambda m, v: -divergence(m, v)])
    def test_a_wrong_divergence_fails_the_check_against_float64(
        self, wrong: Callable[[Tensor, Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w, case, clock = (
            workloads.get("vae_train"),
            Case("vae_train", batch_size=8),
            SynchronizedClock(resolve(("cpu",))),
        )
        check_first_call(w, case, building.build(w, case), clock)
        monkeypatch.setattr(vae, "divergence", wrong)
        with pytest.raises(ParityError, match="relative error"):
            check_first_call(w, case, building.build(w, case), clock)


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
    scale = activations.LOSS_SCALE if name in activations.LOSSES else 1.0
    assert torch.allclose(output, scale * GRADIENTS[name](x, other), rtol=1e-10, atol=1e-14)
    assert step.units == 4096
    assert step.flops == sum(FLOPS[name]) * 4096
    assert not any(tensor.requires_grad for batch in fed for tensor in batch)


def test_losses_in_fp16_stay_in_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_fp16", lambda: True)
    case = Case("activations_losses", batch_size=2**20, setting="bce-forward_backward", dtype="fp16")
    under_autocast = parity.check(replace(case, variant="autocast"))
    assert 0 <= under_autocast.error <= under_autocast.tolerance
    with pytest.raises(CaseSkipped, match="torch's CPU sums losses in fp16"):
        workloads.build(case)


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
