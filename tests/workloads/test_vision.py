"""The anchors of the image and adversarial workloads, and what their sources ask for beyond a parameter count."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench_core import Case, workloads
from bench_core.workloads.adversarial import dcgan, gan
from bench_core.workloads.adversarial.pix2pix import UNet256
from bench_core.workloads.dense import mlp
from bench_core.workloads.dense.activations import CLASSES
from bench_core.workloads.kit.flops import forward_flops
from bench_core.workloads.vision.resnet import ResidualBlock, SEBlock
from bench_core.workloads.vision.resnet20 import resnet20
from bench_core.workloads.vision.resnet50 import resnet50, se_resnet50
from bench_core.workloads.vision.segmentation import deeplabv3_r101, deeplabv3plus_r101

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

PHOTO = (1, 3, 224, 224)


def on_meta(make):
    """A model without storage."""
    with torch.device("meta"):
        return make().eval()


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def shapes_seen(model, watched, shape):
    """The shapes that parts of a model are given."""
    seen = {}
    for name, part in watched.items():
        part.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: tuple(inputs[0].shape)}))
    output = model(torch.empty(shape, device="meta"))
    return seen, output


@pytest.mark.parametrize(
    ("make", "count", "shape", "macs"),
    [
        (mlp.deep_perceptron, 59_210, (1, 1, 28, 28), 59_008),
        (lambda: mlp.perceptron(mlp.HandWrittenReLU), 101_770, (1, 1, 28, 28), 101_632),
        (resnet20, 272_474, (1, 3, 32, 32), pytest.approx(40.8e6, rel=0.01)),
        (resnet50, 25_557_032, PHOTO, pytest.approx(4.089e9, rel=0.001)),
        (se_resnet50, 28_071_976, PHOTO, pytest.approx(4.089e9, rel=0.001)),
        (deeplabv3_r101, 58_630_997, PHOTO, pytest.approx(46.16e9, rel=0.001)),
        (deeplabv3plus_r101, 59_344_309, PHOTO, pytest.approx(16.96e9, rel=0.001)),
        (gan.Generator, 247_440, (1, 100), 100 * 128 + 128 * 256 + 256 * 784),
        (gan.Discriminator, 1_169_409, (1, 784), 5 * (784 * 256 + 256 * 128) + 128),
        (dcgan.Generator, 18_871_427, (1, 100), 100 * 16_384 + 25 * (3 * 8_388_608 + 1024 * 128 * 3)),
        (dcgan.Discriminator, 17_232_897, (1, 3, 64, 64), 25 * (1024 * 3 * 128 + 3 * 8_388_608) + 16_384),
        (UNet256, 54_413_955, (1, 3, 256, 256), pytest.approx(6.048e9, rel=0.001)),
    ],
)
def test_parameters_and_multiply_adds(make, count, shape, macs):
    model = on_meta(make)
    assert parameters(model) == count
    assert forward_flops(model, shape) / 2 == macs


def test_cnn():
    step = workloads.build(Case("cnn_mnist_train", batch_size=5))
    model = step.modules["model"]
    assert step.parameters == 32_998
    assert forward_flops(model, (1, 1, 28, 28)) == 2 * 232_440
    logits = model(torch.randn(5, 1, 28, 28))
    assert logits.shape == (5, 10)
    assert logits.min() < 0, "no softmax before the cross-entropy"


def test_ann_gives_log_probabilities():
    model = workloads.build(Case("ann_train", batch_size=10)).modules["model"]
    sums = model(torch.randn(7, 1, 28, 28)).exp().sum(1)
    assert torch.allclose(sums, torch.ones(7))


def test_the_hand_written_relu_is_torchs():
    x = torch.randn(64, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mlp.Rectify.apply, (x,))
    x = torch.tensor([-1.0, -0.0, 0.0, 2.0], requires_grad=True)
    ours, torchs = mlp.Rectify.apply(x), torch.relu(x)
    assert torch.equal(ours, torchs)
    assert torch.equal(*(torch.autograd.grad(y.sum(), x)[0] for y in (ours, torchs)))


def test_custom_autograd_trains_as_the_plain_network():
    ours, plain = (workloads.build(Case(name, batch_size=16)) for name in ("custom_autograd_mlp", "mlp_train"))
    for _ in range(5):
        assert torch.equal(ours(), plain())


BY_HAND = {
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


@pytest.mark.parametrize("setting", workloads.get("activations_losses").settings)
def test_activations_and_losses_are_their_formulas_and_torchs(setting, monkeypatch):
    given = []
    operands = workloads.activations.operands
    monkeypatch.setattr(workloads.activations, "operands", lambda *args: given.append(operands(*args)) or given[-1])
    step = workloads.build(Case("activations_losses", batch_size=4096, setting=setting))
    output = step()
    assert step.units == given[0][0].numel() == 4096
    assert given[0][0].shape == ((4096 // CLASSES, CLASSES) if setting == "cross_entropy" else (4096,))
    for function in BY_HAND[setting]:
        assert torch.allclose(output, function(*given[0]), rtol=1e-5, atol=1e-6)
    flops = {"relu": 1, "leaky_relu": 2, "tanh": 1, "sigmoid": 3, "bce": 9, "cross_entropy": 4, "mse": 3, "mae": 3}
    assert step.flops == flops[setting] * 4096


@pytest.mark.parametrize("setting", ["forward", "forward_backward"])
def test_se_block(setting):
    step = workloads.build(Case("se_block", batch_size=2, setting=setting))
    block, seen = step.modules["model"], []
    block.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    block.gate.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    with FlopCounterMode(display=False) as counter:
        step()
    (means, gate), (x, output) = seen
    assert step.parameters == 8_192
    assert torch.allclose(means, x.flatten(2).mean(2), atol=1e-6)
    assert 0 < gate.min() <= gate.max() < 1
    assert torch.equal(output, x * gate[:, :, None, None])
    assert counter.get_total_flops() == 2 * 2 * (8_192 if setting == "forward" else 2 * 8_192 + 4_096)
    elementwise = 2 * 256 * 56**2 * (1 if setting == "forward" else 2)
    assert step.flops == counter.get_total_flops() + 2 * elementwise


def test_resnet20():
    model = on_meta(resnet20)
    blocks = [module for module in model if isinstance(module, ResidualBlock)]
    seen, _ = shapes_seen(model, dict(enumerate(blocks)), (1, 3, 32, 32))
    assert [shape[1:3] for shape in seen.values()] == [(16, 32)] * 4 + [(32, 16)] * 3 + [(64, 8)] * 2
    assert [i for i, block in enumerate(blocks) if isinstance(block.shortcut, nn.Sequential)] == [3, 6]
    weighted = [m for m in model.modules() if isinstance(m, nn.Linear) or getattr(m, "kernel_size", 0) == (3, 3)]
    assert len(weighted) == 20


def test_resnet20_trains_as_in_the_paper_on_digits_in_cifars_shape():
    step, seen = workloads.build(Case("resnet20_cifar_train", batch_size=32)), []
    step.modules["model"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    step()
    assert seen[0].shape == (32, 3, 32, 32)
    assert (seen[0].min(), seen[0].max()) == (-1, 1)
    assert step.data == "digits stand-in, 3 channels of 32x32"
    (group,) = step.optimizers["model"].param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1 * 32 / 128, 0.9, 1e-4)


def test_squeeze_and_excitation_comes_last_in_each_branch():
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


def test_deeplabv3plus():
    model = on_meta(deeplabv3plus_r101)
    seen, output = shapes_seen(model, {"low": model.low, "aspp": model.aspp, "fuse": model.fuse}, PHOTO)
    assert seen == {"low": (1, 256, 56, 56), "aspp": (1, 2048, 14, 14), "fuse": (1, 304, 56, 56)}
    assert output.shape == (1, 21, 224, 224)
    assert parameters(model.low, model.fuse) == 1_303_648
    rates = [m.dilation[0] for m in model.aspp.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert rates == [6, 12, 18]
    assert [part[0].kernel_size for part in model.fuse] == [(3, 3), (3, 3)]


def test_maxout_is_the_largest_piece():
    layer, x = gan.Maxout(7, 4, pieces=5), torch.randn(3, 7)
    pieces = x @ layer.linear.weight.T + layer.linear.bias
    for unit in range(4):
        assert torch.allclose(layer(x)[:, unit], pieces[:, 5 * unit : 5 * unit + 5].max(1).values)


def test_cgan_layers():
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


def test_dcgan_norms_all_but_the_generators_output_and_the_discriminators_input():
    for network, shape in ((dcgan.Generator(), (2, 100)), (dcgan.Discriminator(), (2, 3, 64, 64))):
        convolutions = [m for m in network if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert [m.kernel_size for m in convolutions] == [(5, 5)] * 4
        assert [m.stride for m in convolutions] == [(2, 2)] * 4
        biased = [i for i, m in enumerate(convolutions) if m.bias is not None]
        assert biased == ([3] if shape == (2, 100) else [0])
        assert sum(isinstance(m, nn.BatchNorm2d) for m in network) == (4 if shape == (2, 100) else 3)
        assert convolutions[0].weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert network(torch.randn(shape)).shape == ((2, 3, 64, 64) if shape == (2, 100) else (2, 1))


def test_dcgan_trains_as_in_the_paper():
    step, seen = workloads.build(Case("dcgan64_step", batch_size=2)), {}
    for key, module in step.modules.items():
        module.register_forward_pre_hook(lambda _, inputs, key=key: seen.setdefault(key, []).append(inputs[0]))
    step()
    noise, photos = seen["generator"][0], seen["discriminator"][0]
    assert noise.shape == (2, 100)
    assert noise.abs().max() <= 1
    assert photos.shape == (2, 3, 64, 64)
    assert photos.abs().max() <= 1
    for optimizer in step.optimizers.values():
        assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (2e-4, (0.5, 0.999))
