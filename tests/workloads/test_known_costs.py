"""The known costs of the workloads, by hand or from their sources: parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from bench_core import Case, workloads
from bench_core.workloads.adversarial import dcgan, gan
from bench_core.workloads.adversarial.pix2pix import PatchGAN, UNet256
from bench_core.workloads.dense import mlp
from bench_core.workloads.kit import forward_flops
from bench_core.workloads.series.recurrent import Forecaster
from bench_core.workloads.vision.cnn import small_cnn
from bench_core.workloads.vision.resnet20 import resnet20
from bench_core.workloads.vision.resnet50 import resnet50, se_resnet50
from bench_core.workloads.vision.segmentation import deeplabv3_r50, deeplabv3_r101, deeplabv3plus_r101

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread", "one_batch")

PHOTO, DIGIT = (1, 3, 224, 224), (1, 1, 28, 28)
SERIES = [n for n in workloads.names() if workloads.get(n).family in ("recurrent", "autoregression", "arma")]


@pytest.mark.parametrize(
    ("make", "parameters", "shape", "macs"),
    [
        (mlp.perceptron, 101_770, DIGIT, 101_632),
        (mlp.deep_perceptron, 59_210, DIGIT, 59_008),
        (lambda: mlp.perceptron(mlp.HandWrittenReLU), 101_770, DIGIT, 101_632),
        (small_cnn, 32_998, DIGIT, 232_440),
        (resnet20, 272_474, (1, 3, 32, 32), pytest.approx(40.8e6, rel=0.01)),
        (resnet50, 25_557_032, PHOTO, pytest.approx(4.089e9, rel=0.001)),
        (se_resnet50, 28_071_976, PHOTO, pytest.approx(4.089e9, rel=0.001)),
        (deeplabv3_r50, 39_638_869, PHOTO, pytest.approx(31.31e9, rel=0.001)),
        (deeplabv3_r101, 58_630_997, PHOTO, pytest.approx(46.16e9, rel=0.001)),
        (deeplabv3plus_r101, 59_344_309, PHOTO, pytest.approx(16.96e9, rel=0.001)),
        (gan.Generator, 247_440, (1, 100), 100 * 128 + 128 * 256 + 256 * 784),
        (gan.Discriminator, 1_169_409, (1, 784), 5 * (784 * 256 + 256 * 128) + 128),
        (dcgan.Generator, 18_871_427, (1, 100), 100 * 16_384 + 25 * (3 * 8_388_608 + 1024 * 128 * 3)),
        (dcgan.Discriminator, 17_232_897, (1, 3, 64, 64), 25 * (1024 * 3 * 128 + 3 * 8_388_608) + 16_384),
        (UNet256, 54_413_955, (1, 3, 256, 256), pytest.approx(6.048e9, rel=0.001)),
        (PatchGAN, 2_768_705, (1, 6, 256, 256), pytest.approx(3.197e9, rel=0.001)),
        (lambda: Forecaster(nn.LSTM, 64), 17_217, (1, 5, 1), 83_264),
        (lambda: Forecaster(nn.RNN, 64), 4_353, (1, 5, 1), 20_864),
        (lambda: Forecaster(nn.GRU, 64), 12_929, (1, 5, 1), 62_464),
    ],
)
def test_parameters_and_multiply_adds_of_a_network(
    make: Callable[[], nn.Module], parameters: int, shape: tuple[int, ...], macs: Any
) -> None:
    with torch.device("meta"):
        model = make().eval()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert forward_flops(model, shape) / 2 == macs


@pytest.mark.parametrize(
    ("name", "parameters", "flops"),
    [
        ("mlp_infer", 101_770, 2 * 101_632),
        ("mlp_train", 101_770, 2 * (2 * 101_632 + 1_280)),
        ("mlp_accuracy", 101_770, 2 * (784 * 128 + 128 * 10)),
        ("custom_autograd_mlp", 101_770, 2 * (2 * 101_632 + 1_280)),
        # 784-400, 400-20 twice, 20-400, 400-784: forward, for the weights, and back through all but the first layer.
        ("vae_train", 652_824, 2 * (2 * (2 * 784 * 400 + 3 * 400 * 20) + 784 * 400 + 3 * 400 * 20)),
        ("ann_train", 59_210, 2 * (2 * 59_008 + 59_008 - 784 * 64)),
        ("cnn_mnist_train", 32_998, None),
        ("resblock_identity", 73_984, 2 * 2 * 56**2 * 9 * 64 * 64),
        ("resblock_projection", 230_144, 2 * 28**2 * (9 * 64 * 128 + 9 * 128 * 128 + 64 * 128)),
        ("conv2d_grid", 9 * 64 * 64, 2 * 56**2 * 9 * 64 * 64),
        ("conv_transpose2d_grid", 16 * 128 * 64, 2 * 32**2 * 16 * 128 * 64),
        ("attention_prefill", 4 * 512**2, 2 * (4 * 512 * 512**2 + 2 * 512 * sum(range(1, 513)))),
        ("attention_decode", 4 * 512**2, 2 * (4 * 512**2 + 2 * 512 * 512)),
        ("embedding", 10_000 * 512, None),
        ("reduction", 0, 1),
        ("device_copy", 0, None),
        ("gemm", 0, None),
        ("activations_losses", 0, 1),
    ],
)
def test_costs_of_a_step_are_those_computed_by_hand(name: str, parameters: int, flops: int | None) -> None:
    step = workloads.build(Case(name, batch_size=5))
    assert step.parameters == parameters
    if flops is not None:
        assert step.flops == flops * step.units
    known = workloads.get(name).known_costs
    assert ((known.parameters or 0), known.flops) == (parameters, flops or known.flops)


def test_flops_of_a_matrix_product() -> None:
    step = workloads.build(Case("gemm", batch_size=5))
    assert step.flops == step.units == 2 * 5**3


@pytest.mark.parametrize("name", SERIES)
def test_costs_of_a_series_workload_are_its_known_costs(name: str) -> None:
    step, known = workloads.build(Case(name)), workloads.get(name).known_costs
    assert known.description
    assert (step.parameters or None, step.flops) == (known.parameters, known.flops)


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("rnn", 1), ("gru", 3)])
@pytest.mark.parametrize(("length", "hidden"), [(5, 64), (20, 64), (5, 256)])
def test_costs_of_a_recurrent_network(cell: str, gates: int, length: int, hidden: int) -> None:
    # Torch's counter does not see the fused layers. Backward: as much again for the weights, and for what flows back
    # through time the recurrent products of all steps but the first, and the head's.
    forward = length * gates * hidden * (1 + hidden) + hidden
    backward = forward + (length - 1) * gates * hidden**2 + hidden
    step = workloads.build(Case(f"{cell}_ar_train", batch_size=7, setting=f"T{length}h{hidden}"))
    assert step.flops == 2 * 7 * (forward + backward)
    assert step.parameters == gates * hidden * (1 + hidden + 2) + hidden + 1


@pytest.mark.parametrize(("setting", "forecasts"), [("next", 7), ("rolling20", 140)])
def test_costs_of_a_forecast_are_the_same_in_both_settings(setting: str, forecasts: int) -> None:
    step = workloads.build(Case("lstm_ar_infer", batch_size=7, setting=setting))
    assert step.units == forecasts
    assert step.flops == forecasts * 2 * (5 * 4 * 64 * (1 + 64) + 64)


def test_flops_of_an_epoch_are_those_of_its_images() -> None:
    epoch, image = (workloads.get(name).known_costs for name in ("mnist_epoch_e2e", "mlp_train"))
    assert (epoch.parameters, epoch.flops) == (image.parameters, image.flops)
