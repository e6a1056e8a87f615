"""Convolutions and networks for images: what their sources ask for beyond a parameter count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench_core import Case, Step, workloads
from bench_core.core.errors import ParityError
from bench_core.workloads.vision import conv_transpose
from bench_core.workloads.vision.conv import SIDE, Convolution
from bench_core.workloads.vision.resnet import ResidualBlock, SEBlock
from bench_core.workloads.vision.resnet20 import resnet20
from bench_core.workloads.vision.resnet50 import resnet50, se_resnet50
from bench_core.workloads.vision.segmentation import deeplabv3plus_r101
from tests.support import parity
from tests.support.weights import draw_quickly

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

PHOTO = (1, 3, 224, 224)


def on_meta(make: Callable[[], Any]) -> Any:
    """A model without storage."""
    with torch.device("meta"):
        return make().eval()


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def input_shapes(
    model: nn.Module, parts: Mapping[Any, nn.Module], shape: tuple[int, ...]
) -> tuple[dict[Any, tuple[int, ...]], Tensor]:
    """The shapes that parts of a model are given, and the model's output."""
    shapes: dict[Any, tuple[int, ...]] = {}
    for name, part in parts.items():
        part.register_forward_pre_hook(lambda _, inputs, name=name: shapes.update({name: tuple(inputs[0].shape)}))
    output = model(torch.empty(shape, device="meta"))
    return shapes, output


def first_input(step: Step) -> Tensor:
    """What a step's first module is given."""
    inputs: list[Tensor] = []
    hook = next(iter(step.modules.values())).register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    step()
    hook.remove()
    return inputs[0]


def output_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """Dumoulin & Visin, section 2.4, relationship 6."""
    return (side - kernel + 2 * padding) // stride + 1


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_output_side_of_a_convolution_follows_the_formula(kernel: int, stride: int, padding: int) -> None:
    layer = on_meta(Convolution(kernel, stride, padding, channels_in=2, channels_out=3).layer)
    for side in (7, 8, 28):
        expected = output_side(side, kernel, stride, padding)
        assert layer(torch.empty(1, 2, side, side, device="meta")).shape == (1, 3, expected, expected)


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize("setting", workloads.get("conv2d_grid").settings)
def test_convolution_is_as_its_setting_says(setting: str) -> None:
    step = workloads.build(Case("conv2d_grid", batch_size=2, setting=setting))
    conv = step.modules["model"]
    (kernel,), (stride,), (padding,) = ({*pair} for pair in (conv.kernel_size, conv.stride, conv.padding))
    assert setting == f"k{kernel}s{stride}p{padding}-{conv.in_channels}x{conv.out_channels}"
    side = output_side(SIDE, kernel, stride, padding)
    assert SIDE == 56
    assert step().shape == (2, conv.out_channels, side, side)
    assert step.flops == 2 * 2 * side**2 * kernel**2 * conv.in_channels * conv.out_channels


def by_stretching(point: conv_transpose.TransposedConvolution, weight: Tensor, x: Tensor) -> Tensor:
    """The equivalent direct convolution of Dumoulin & Visin, section 4.6: zeros between the inputs and around them, and
    the kernel turned by 180 degrees."""
    side = point.stride * (x.shape[-1] - 1) + 1
    stretched = x.new_zeros(*x.shape[:2], side, side)
    stretched[..., :: point.stride, :: point.stride] = x
    before = point.kernel - point.padding - 1
    after = before + point.added
    return F.conv2d(F.pad(stretched, (before, after, before, after)), weight.flip(2, 3).transpose(0, 1))


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize("setting", workloads.get("conv_transpose2d_grid").settings)
def test_transposed_convolution_is_as_its_setting_says(setting: str) -> None:
    w = workloads.get("conv_transpose2d_grid")
    step = parity.in_float64(w.name, 2, setting)
    layer, point = step.modules["model"], w.settings[setting]
    x = first_input(step)
    assert x.shape == (2, point.channels_in, conv_transpose.SIDE, conv_transpose.SIDE)
    expected = by_stretching(point, layer.weight, x)
    side = point.stride * (conv_transpose.SIDE - 1) + point.added + point.kernel - 2 * point.padding
    assert side == 2 * conv_transpose.SIDE
    assert expected.shape == (2, point.channels_out, side, side)
    assert torch.allclose(layer(x), expected, rtol=1e-10, atol=1e-12)
    assert step.flops == 2 * 2 * conv_transpose.SIDE**2 * point.kernel**2 * point.channels_in * point.channels_out


@pytest.mark.usefixtures("one_batch")
def test_transposed_convolution_with_a_turned_kernel_is_caught() -> None:
    case = Case("conv_transpose2d_grid", batch_size=1)
    assert parity.check(case).error < 1e-5
    step = workloads.build(case)
    layer = step.modules["model"]
    layer.weight.data = layer.weight.data.flip(2, 3)
    with pytest.raises(ParityError, match="outputs: relative error"):
        parity.check(case, step)


def test_cnn_gives_logits() -> None:
    model = workloads.build(Case("cnn_mnist_train", batch_size=5)).modules["model"]
    logits = model(torch.randn(5, 1, 28, 28))
    assert logits.shape == (5, 10)
    assert logits.min() < 0, "no softmax before the cross-entropy"


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize(
    ("name", "shape"), [("resblock_identity", (2, 64, 56, 56)), ("resblock_projection", (2, 128, 28, 28))]
)
def test_residual_block_ends_with_a_relu(name: str, shape: tuple[int, ...]) -> None:
    step = workloads.build(Case(name, batch_size=2, setting="forward"))
    output = step()
    assert output.shape == shape
    assert output.min() == 0
    assert not step.modules["model"].training


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize("name", ["resblock_identity", "resblock_projection"])
def test_residual_block_returns_all_gradients(name: str) -> None:
    step = workloads.build(Case(name, batch_size=2, setting="forward_backward"))
    weights = dict(step.modules["model"].named_parameters())
    gradients = step()
    assert step.modules["model"].training
    assert {key: value.shape for key, value in gradients.items()} == {key: p.shape for key, p in weights.items()}
    assert all(value.norm() > 0 for value in gradients.values())
    assert all(p.grad is None for p in weights.values())


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize("setting", ["forward", "forward_backward"])
def test_se_block_scales_channels_by_their_gates(setting: str) -> None:
    step = workloads.build(Case("se_block", batch_size=2, setting=setting))
    block = step.modules["model"]
    calls: list[tuple[Tensor, Tensor]] = []
    block.register_forward_hook(lambda _, inputs, output: calls.append((inputs[0], output)))
    block.gate.register_forward_hook(lambda _, inputs, output: calls.append((inputs[0], output)))
    with FlopCounterMode(display=False) as counter:
        step()
    (means, gate), (x, output) = calls
    assert step.parameters == 8_192
    assert torch.allclose(means, x.flatten(2).mean(2), atol=1e-6)
    assert 0 < gate.min() <= gate.max() < 1
    assert torch.equal(output, x * gate[:, :, None, None])
    assert counter.get_total_flops() == 2 * 2 * (8_192 if setting == "forward" else 2 * 8_192 + 4_096)
    elementwise = 2 * 256 * 56**2 * (1 if setting == "forward" else 2)
    assert step.flops == counter.get_total_flops() + 2 * elementwise


def test_resnet20_has_the_layers_of_the_paper() -> None:
    model = on_meta(resnet20)
    blocks = [module for module in model if isinstance(module, ResidualBlock)]
    shapes, _ = input_shapes(model, dict(enumerate(blocks)), (1, 3, 32, 32))
    assert [shape[1:3] for shape in shapes.values()] == [(16, 32)] * 4 + [(32, 16)] * 3 + [(64, 8)] * 2
    assert [i for i, block in enumerate(blocks) if isinstance(block.shortcut, nn.Sequential)] == [3, 6]
    weighted = [m for m in model.modules() if isinstance(m, nn.Linear) or getattr(m, "kernel_size", 0) == (3, 3)]
    assert len(weighted) == 20


def test_resnet20_trains_as_in_the_paper_on_digits_in_the_shape_of_cifar() -> None:
    step = workloads.build(Case("resnet20_cifar_train", batch_size=32))
    images = first_input(step)
    assert images.shape == (32, 3, 32, 32)
    assert (images.min(), images.max()) == (-1, 1)
    assert step.data == "digits stand-in, 3 channels of 32x32"
    (group,) = step.optimizers["model"].param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1 * 32 / 128, 0.9, 1e-4)


def test_squeeze_and_excitation_comes_last_in_each_branch() -> None:
    torch.manual_seed(0)
    plain = resnet50().eval()
    torch.manual_seed(0)
    gated = se_resnet50().eval()
    blocks = [module for module in gated.modules() if isinstance(module, SEBlock)]
    assert len(blocks) == 3 + 4 + 6 + 3
    for block in blocks:
        block.gate = nn.Hardtanh(1.0, 1.0 + 1e-9)  # all gates open
    photo = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(gated(photo), plain(photo), rtol=1e-4)


def test_deeplabv3_segments_photos_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_quickly(monkeypatch)
    step = workloads.build(Case("deeplabv3_r50_infer"))
    photos: list[Tensor] = []
    step.modules["model"].register_forward_pre_hook(lambda _, given: photos.append(given[0]))
    first, second = step()["out"], step()["out"]
    assert first.shape == (1, 21, 224, 224)
    assert first.isfinite().all()
    assert not torch.allclose(first, second), "the photos rotate"
    assert photos[0].is_contiguous()
    assert not step.modules["model"].training


def test_deeplabv3plus_has_the_layers_of_the_paper() -> None:
    model = on_meta(deeplabv3plus_r101)
    shapes, output = input_shapes(model, {"low": model.low, "aspp": model.aspp, "fuse": model.fuse}, PHOTO)
    assert shapes == {"low": (1, 256, 56, 56), "aspp": (1, 2048, 14, 14), "fuse": (1, 304, 56, 56)}
    assert output.shape == (1, 21, 224, 224)
    assert parameters(model.low, model.fuse) == 1_303_648
    rates = [m.dilation[0] for m in model.aspp.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert rates == [6, 12, 18]
    assert [part[0].kernel_size for part in model.fuse] == [(3, 3), (3, 3)]
