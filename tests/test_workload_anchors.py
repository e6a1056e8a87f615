"""The anchors of each workload: parameters, multiply-adds, shapes, and what it must do that others get wrong."""

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench_core import Case, workloads
from bench_core.workloads.adversarial.pix2pix import PatchGAN, UNet256
from bench_core.workloads.kit import context
from bench_core.workloads.kit.flops import forward_flops
from bench_core.workloads.series.recurrent import Forecaster
from bench_core.workloads.vision.conv import output_side

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")


@pytest.fixture(scope="module")
def deeplab():
    """DeepLabv3 at batch 1, built once."""
    return workloads.build(Case("deeplabv3_r50_infer"))


@pytest.fixture(scope="module")
def pix2pix():
    """pix2pix at batch 1 on a single pair, its first five outputs, and the calls after which it starts anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.BuildContext, "resident", lambda ctx, _: 1)
        patch.setattr(build, "RESTORE_EVERY", 4)
        step = workloads.build(Case("pix2pix256_step"))
        yield step, [step() for _ in range(5)]


def first_input(step):
    """What a step's first module is given."""
    seen = []
    hook = next(iter(step.modules.values())).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    step()
    hook.remove()
    return seen[0]


def test_mlp():
    step = workloads.build(Case("mlp_infer", batch_size=5))
    assert step.parameters == 101_770
    assert step.flops == 2 * 5 * 101_632
    assert step.data == "digits stand-in"
    assert step().shape == (5, 10)
    assert workloads.build(Case("mlp_train", batch_size=5)).parameters == 101_770


def test_mlp_starts_from_an_even_guess():
    # Cross-entropy of logits near 0; a softmax in the model would hold the loss above 1.46 for good.
    assert workloads.build(Case("mlp_train", batch_size=512))() == pytest.approx(math.log(10), abs=0.15)


@pytest.mark.parametrize(
    ("cell", "parameters", "macs"), [(nn.LSTM, 17_217, 83_264), (nn.RNN, 4_353, 20_864), (nn.GRU, 12_929, 62_464)]
)
def test_forecasters(cell, parameters, macs):
    model = Forecaster(cell, 64)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert forward_flops(model, (1, 5, 1)) == 2 * macs
    assert model(torch.zeros(3, 5, 1)).shape == (3, 1)


@pytest.mark.parametrize(("length", "hidden"), [(5, 64), (20, 64), (5, 256)])
def test_lstm_flops(length, hidden):
    # Torch's counter does not see the fused LSTM. Backward: as much again for the weights, and for what flows back
    # through time the recurrent products of all steps but the first, and the head's.
    forward = length * 4 * hidden * (1 + hidden) + hidden
    backward = forward + (length - 1) * 4 * hidden**2 + hidden
    step = workloads.build(Case("lstm_ar_train", batch_size=7, setting=f"T{length}h{hidden}"))
    assert step.flops == 2 * 7 * (forward + backward)
    assert step.parameters == 4 * hidden * (1 + hidden + 2) + hidden + 1


def test_lstm_learns_the_series(monkeypatch):
    epoch = 995 // 32
    monkeypatch.setattr(build, "RESTORE_EVERY", 10**6)
    monkeypatch.setattr(context.BuildContext, "resident", lambda ctx, _: epoch)
    step = workloads.build(Case("lstm_ar_train", batch_size=32))
    for _ in range(99 * epoch):
        step()
    assert torch.stack([step() for _ in range(epoch)]).mean() < 0.0100


def test_batches_larger_than_the_series_repeat_it():
    assert workloads.build(Case("lstm_ar_train", batch_size=2048))().isfinite()


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_the_output_formula_is_what_torch_does(kernel, stride, padding):
    for side in (7, 8, 28):
        made = nn.functional.conv2d(
            torch.zeros(1, 1, side, side), torch.zeros(1, 1, kernel, kernel), None, stride, padding
        )
        assert output_side(side, kernel=kernel, stride=stride, padding=padding) == made.shape[-1]


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a kernel of 7 does not fit an input of 4 padded by 1"):
        output_side(4, kernel=7, padding=1)


@pytest.mark.parametrize("setting", workloads.get("conv2d_grid").settings)
def test_convolution_is_as_its_setting_says(setting):
    step = workloads.build(Case("conv2d_grid", batch_size=2, setting=setting))
    conv = step.modules["model"]
    (kernel,), (stride,), (padding,) = ({*pair} for pair in (conv.kernel_size, conv.stride, conv.padding))
    assert setting == f"k{kernel}s{stride}p{padding}-{conv.in_channels}x{conv.out_channels}"
    side = output_side(56, kernel=kernel, stride=stride, padding=padding)
    assert step().shape == (2, conv.out_channels, side, side)
    assert step.flops == 2 * 2 * side**2 * kernel**2 * conv.in_channels * conv.out_channels


@pytest.mark.parametrize(
    ("name", "parameters", "shape", "macs"),
    [
        ("resblock_identity", 73_984, (2, 64, 56, 56), 2 * 56**2 * 9 * 64 * 64),
        ("resblock_projection", 230_144, (2, 128, 28, 28), 28**2 * (9 * 64 * 128 + 9 * 128 * 128 + 64 * 128)),
    ],
)
def test_residual_blocks(name, parameters, shape, macs):
    step = workloads.build(Case(name, batch_size=2, setting="forward"))
    assert step.parameters == parameters
    assert step.flops == 2 * 2 * macs
    output = step()
    assert output.shape == shape
    assert output.min() == 0, "a ReLU comes last"
    assert not step.modules["model"].training


@pytest.mark.parametrize("name", ["resblock_identity", "resblock_projection"])
def test_residual_blocks_return_all_gradients(name):
    step = workloads.build(Case(name, batch_size=2, setting="forward_backward"))
    weights = dict(step.modules["model"].named_parameters())
    gradients = step()
    assert step.modules["model"].training
    assert {key: value.shape for key, value in gradients.items()} == {key: p.shape for key, p in weights.items()}
    assert all(value.norm() > 0 for value in gradients.values())
    assert all(p.grad is None for p in weights.values())


def test_deeplabv3(deeplab):
    assert deeplab.parameters == 39_638_869
    assert deeplab.flops / 2 == pytest.approx(31.31e9, rel=0.001)
    first, second = deeplab()["out"], deeplab()["out"]
    assert first.shape == (1, 21, 224, 224)
    assert first.isfinite().all()
    assert not torch.allclose(first, second), "the photos rotate"
    assert first_input(deeplab).is_contiguous()
    assert not deeplab.modules["model"].training


def test_pix2pix_networks():
    with torch.device("meta"):
        generator, discriminator = UNet256(), PatchGAN()
        assert generator(torch.empty(2, 3, 256, 256)).shape == (2, 3, 256, 256)
        assert discriminator(torch.empty(2, 6, 256, 256)).shape == (2, 1, 30, 30)
    assert sum(p.numel() for p in generator.parameters()) == 54_413_955
    assert sum(p.numel() for p in discriminator.parameters()) == 2_768_705
    assert forward_flops(generator, (1, 3, 256, 256)) / 2 == pytest.approx(6.048e9, rel=0.001)
    assert forward_flops(discriminator, (1, 6, 256, 256)) / 2 == pytest.approx(3.197e9, rel=0.001)


def test_pix2pix_drops_half_at_three_decoder_outputs():
    generator, seen, normed = UNet256(), [], []
    for module in generator.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda m, inputs, output: seen.append((m.p, inputs[0], output)))
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, inputs, output: normed.append(output.shape[-1]))
    with torch.no_grad():
        generator(torch.randn(1, 3, 256, 256))
        assert [(p, *output.shape[1:]) for p, _, output in seen] == [
            (0.5, 512, 2, 2),
            (0.5, 512, 4, 4),
            (0.5, 512, 8, 8),
        ]
        for _, before, after in seen:
            dropped = after == 0
            assert dropped.float().mean() == pytest.approx(0.5, abs=0.05)
            assert torch.equal(after[~dropped], 2 * before[~dropped])
        assert normed == [64, 32, 16, 8, 4, 2, 2, 4, 8, 16, 32, 64, 128], "none at 1x1"
        seen.clear()
        generator.eval()(torch.randn(1, 3, 256, 256))
        assert all(torch.equal(before, after) for _, before, after in seen)


def test_a_patch_judges_70_by_70_pixels():
    images = torch.randn(1, 6, 256, 256, requires_grad=True)
    PatchGAN().eval()(images)[0, 0, 15, 15].backward()
    rows, columns = images.grad[0].abs().sum(0).nonzero().T
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_pix2pix_learns_and_starts_anew(pix2pix):
    step, losses = pix2pix
    assert first_input(step).is_contiguous()
    for key, optimizer in step.optimizers.items():
        held = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in step.modules[key].parameters())
    assert losses[3]["l1"] < 0.9 * losses[0]["l1"]
    assert losses[3]["real"] + losses[3]["fake"] < losses[0]["real"] + losses[0]["fake"]
    assert not any(loss.requires_grad for loss in losses[0].values())
    for key, first in losses[0].items():
        assert torch.isclose(losses[4][key], first, rtol=1e-3)


def test_pix2pix_moves_every_weight_and_counts_every_flop(pix2pix):
    step, _ = pix2pix
    before = {key: [p.detach().clone() for p in module.parameters()] for key, module in step.modules.items()}
    with FlopCounterMode(display=False) as counter:
        step()
    assert step.flops == counter.get_total_flops()
    for key, module in step.modules.items():
        for p, was in zip(module.parameters(), before[key], strict=True):
            assert p.requires_grad
            assert not torch.equal(p, was)
