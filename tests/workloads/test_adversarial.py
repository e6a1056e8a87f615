"""Adversarial workloads: the alternating steps of the algorithm, and the layers of their sources."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.flop_counter import FlopCounterMode

from bench_core import Case, Step, workloads
from bench_core.workloads.adversarial import dcgan, gan
from bench_core.workloads.adversarial.pix2pix import PatchGAN, UNet256
from bench_core.workloads.kit import BuildContext
from tests.support.weights import draw_quickly
from tests.workloads.test_workloads import NoScalars

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

Outputs = list[dict[str, Tensor]]


@pytest.fixture(scope="module")
def pix2pix() -> Iterator[tuple[Step, Outputs]]:
    """pix2pix at batch 1 on a single pair of photos, restored after 4 calls, and its first five outputs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuildContext, "resident_batches", lambda ctx, _: 1)
        patch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 4)
        draw_quickly(patch)
        step = workloads.build(Case("pix2pix256_step"))
        yield step, [step() for _ in range(5)]


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def verdict(logits: Tensor, target: float) -> Tensor:
    """The loss of logits that should all say real (1) or fake (0)."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


@pytest.mark.parametrize("name", ["gan_step", "cgan_step"])
def test_step_is_a_round_of_the_algorithm_written_by_hand(name: str) -> None:
    step = workloads.build(Case(name, batch_size=2))
    generator, discriminator = (copy.deepcopy(step.modules[key]) for key in ("generator", "discriminator"))
    calls: list[tuple[str, Any]] = []
    for key, module in step.modules.items():
        module.register_forward_pre_hook(lambda _, inputs, key=key: calls.append((key[0], inputs)))
    losses = step()
    assert "".join(key for key, _ in calls) == "gddgd"
    (noise, *given), (real, *_), (fresh, *_) = (calls[i][1] for i in (0, 1, 3))
    assert not torch.equal(noise, fresh)

    learns = SGD(discriminator.parameters(), lr=0.001, momentum=0.5)
    image = generator(noise, *given).detach()
    on_real, on_fake = verdict(discriminator(real, *given), 1), verdict(discriminator(image, *given), 0)
    (on_real + on_fake).backward()
    learns.step()
    learns = SGD(generator.parameters(), lr=0.001, momentum=0.5)
    fooled = verdict(discriminator(generator(fresh, *given), *given), 1)
    fooled.backward()
    learns.step()

    for key, value in {"real": on_real, "fake": on_fake, "fooled": fooled}.items():
        assert torch.allclose(losses[key], value, rtol=1e-5)
    for ours, by_hand in ((step.modules["generator"], generator), (step.modules["discriminator"], discriminator)):
        for p, expected in zip(ours.parameters(), by_hand.parameters(), strict=True):
            assert torch.allclose(p, expected, atol=1e-6)


def test_discriminator_keeps_the_gradients_of_its_own_turn() -> None:
    step = workloads.build(Case("gan_step", batch_size=2))
    weights = list(step.modules["discriminator"].parameters())
    gradients: list[list[Tensor | None]] = []
    step.optimizers["generator"].register_step_pre_hook(lambda *_: gradients.append([p.grad for p in weights]))
    step.optimizers["discriminator"].register_step_post_hook(
        lambda *_: gradients.append([p.grad.clone() for p in weights])
    )
    step()
    own, later = gradients
    assert all(torch.equal(a, b) for a, b in zip(own, later, strict=True))


def test_maxout_is_the_largest_piece() -> None:
    layer, x = gan.Maxout(7, 4, pieces=5), torch.randn(3, 7)
    pieces = x @ layer.linear.weight.T + layer.linear.bias
    for unit in range(4):
        assert torch.allclose(layer(x)[:, unit], pieces[:, 5 * unit : 5 * unit + 5].max(1).values)


def test_cgan_has_the_layers_of_the_paper() -> None:
    generator, discriminator = gan.ConditionalGenerator(), gan.ConditionalDiscriminator()
    sizes = [
        [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]
        for network in (generator, discriminator)
    ]
    assert sizes[0] == [(100, 200), (10, 1000), (1200, 1200), (1200, 784)]
    assert sizes[1] == [(784, 240 * 5), (10, 50 * 5), (290, 240 * 4), (240, 1)]
    assert (parameters(generator), parameters(discriminator)) == (2_413_984, 1_224_351)
    noise, one, other = torch.rand(1, 100), torch.eye(10)[[3]], torch.eye(10)[[8]]
    assert not torch.equal(generator(noise, one), generator(noise, other))
    assert 0 < generator(noise, one).min() <= generator(noise, one).max() < 1


def test_dcgan_norms_all_but_the_output_of_the_generator_and_the_input_of_the_discriminator() -> None:
    for network, shape in ((dcgan.Generator(), (2, 100)), (dcgan.Discriminator(), (2, 3, 64, 64))):
        convolutions = [m for m in network if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert [m.kernel_size for m in convolutions] == [(5, 5)] * 4
        assert [m.stride for m in convolutions] == [(2, 2)] * 4
        biased = [i for i, m in enumerate(convolutions) if m.bias is not None]
        assert biased == ([3] if shape == (2, 100) else [0])
        assert sum(isinstance(m, nn.BatchNorm2d) for m in network) == (4 if shape == (2, 100) else 3)
        # Of 4,800 weights drawn at random, the estimate itself has a standard error of 1%.
        assert convolutions[0].weight.std().item() == pytest.approx(0.02, rel=0.06)
        assert network(torch.randn(shape)).shape == ((2, 3, 64, 64) if shape == (2, 100) else (2, 1))


def test_dcgan_trains_as_in_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_quickly(monkeypatch)
    step = workloads.build(Case("dcgan64_step", batch_size=2))
    inputs: dict[str, list[Tensor]] = {}
    for key, module in step.modules.items():
        module.register_forward_pre_hook(lambda _, given, key=key: inputs.setdefault(key, []).append(given[0]))
    step()
    noise, photos = inputs["generator"][0], inputs["discriminator"][0]
    assert noise.shape == (2, 100)
    assert noise.abs().max() <= 1
    assert photos.shape == (2, 3, 64, 64)
    assert photos.abs().max() <= 1
    for optimizer in step.optimizers.values():
        assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (2e-4, (0.5, 0.999))


def test_pix2pix_networks_map_images_to_images_and_patches() -> None:
    with torch.device("meta"):
        assert UNet256()(torch.empty(2, 3, 256, 256)).shape == (2, 3, 256, 256)
        assert PatchGAN()(torch.empty(2, 6, 256, 256)).shape == (2, 1, 30, 30)


def test_pix2pix_drops_half_at_three_decoder_outputs() -> None:
    generator = UNet256()
    drops: list[tuple[float, Tensor, Tensor]] = []
    normed: list[int] = []
    for module in generator.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda m, inputs, output: drops.append((m.p, inputs[0], output)))
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, inputs, output: normed.append(output.shape[-1]))
    with torch.no_grad():
        generator(torch.randn(1, 3, 256, 256))
        assert [(p, *output.shape[1:]) for p, _, output in drops] == [
            (0.5, 512, 2, 2),
            (0.5, 512, 4, 4),
            (0.5, 512, 8, 8),
        ]
        for _, before, after in drops:
            dropped = after == 0
            assert dropped.float().mean() == pytest.approx(0.5, abs=0.05)
            assert torch.equal(after[~dropped], 2 * before[~dropped])
        assert normed == [64, 32, 16, 8, 4, 2, 2, 4, 8, 16, 32, 64, 128], "none at 1x1"
        drops.clear()
        generator.eval()(torch.randn(1, 3, 256, 256))
        assert len(drops) == 3
        assert all(torch.equal(before, after) for _, before, after in drops)


def test_patch_covers_70_by_70_pixels() -> None:
    images = torch.randn(1, 6, 256, 256, requires_grad=True)
    PatchGAN().eval()(images)[0, 0, 15, 15].backward()
    rows, columns = images.grad[0].abs().sum(0).nonzero().T
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


@pytest.mark.long
def test_pix2pix_learns_and_restarts_from_the_first_weights(pix2pix: tuple[Step, Outputs]) -> None:
    step, losses = pix2pix
    for key, optimizer in step.optimizers.items():
        updated = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(updated) == sorted(id(p) for p in step.modules[key].parameters())
    assert losses[3]["l1"] < 0.9 * losses[0]["l1"]
    assert losses[3]["real"] + losses[3]["fake"] < losses[0]["real"] + losses[0]["fake"]
    assert not any(loss.requires_grad for loss in losses[0].values())
    for key, first in losses[0].items():
        assert torch.isclose(losses[4][key], first, rtol=1e-3)


@pytest.mark.long
def test_pix2pix_moves_every_weight_counts_every_flop_and_reads_no_value(pix2pix: tuple[Step, Outputs]) -> None:
    step, _ = pix2pix
    before = {key: [p.detach().clone() for p in module.parameters()] for key, module in step.modules.items()}
    inputs: list[Tensor] = []
    hook = step.modules["generator"].register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    with NoScalars.within(step), FlopCounterMode(display=False) as counter:
        losses = step()
    hook.remove()
    assert all(loss.isfinite() and not loss.requires_grad for loss in losses.values())
    assert step.units == 1
    assert inputs[0].is_contiguous()
    assert step.flops == counter.get_total_flops()
    for key, module in step.modules.items():
        for p, was in zip(module.parameters(), before[key], strict=True):
            assert p.requires_grad
            assert not torch.equal(p, was)


def test_pix2pix_infers_as_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BuildContext, "resident_batches", lambda ctx, _: 1)
    draw_quickly(monkeypatch)
    step = workloads.build(Case("pix2pix256_infer"))
    first, second = step(), step()
    assert first.shape == (1, 3, 256, 256)
    assert first.abs().max() <= 1
    assert torch.equal(first, second), "the masks are drawn once"
    step.modules["model"].eval()
    assert not torch.allclose(step(), first, atol=0.01), "dropout and the batch's statistics"
