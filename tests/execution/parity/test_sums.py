"""The longest sums of a call, from its operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench_core.core.case import Case
from bench_core.execution.parity.reference import _Operations
from bench_core.execution.parity.sums import Sums

IMAGES = torch.ones(2, 3, 8, 8)
ROWS = torch.ones(6, 5)


def sums_of(call: Callable[[], Tensor], inference: bool) -> Sums:
    operations = _Operations(Case("any"))
    with operations, torch.inference_mode(inference):
        call()
    return operations.sums


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize(
    ("layer", "inputs", "expected"),
    [
        (nn.Linear(5, 7), ROWS, Sums(products=5)),
        (nn.Conv2d(3, 4, 3), IMAGES, Sums(products=27)),
        (nn.Conv2d(3, 6, 3, groups=3), IMAGES, Sums(products=9)),
        (nn.ConvTranspose2d(3, 4, 2, stride=2), IMAGES, Sums(products=12)),
        (nn.BatchNorm2d(3), IMAGES, Sums()),
        (nn.BatchNorm2d(3).eval(), IMAGES, Sums()),
        (nn.ReLU(), IMAGES, Sums()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layer(layer: nn.Module, inputs: Tensor, expected: Sums, inference: bool) -> None:
    assert sums_of(lambda: layer(inputs), inference) == expected


@pytest.mark.parametrize(("a", "b"), [((6, 5), (5, 2)), ((3, 6, 5), (3, 5, 2))])
def test_matrix_product(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    assert sums_of(lambda: torch.ones(a) @ torch.ones(b), inference=True) == Sums(products=5)


def test_gradient_of_the_weights_sums_over_all_positions() -> None:
    linear, convolution = nn.Linear(5, 7), nn.Conv2d(3, 4, 3)
    assert sums_of(lambda: linear(torch.ones(60, 5)).sum().backward(), inference=False) == Sums(products=60)
    assert sums_of(lambda: convolution(IMAGES).sum().backward(), inference=False) == Sums(products=2 * 6 * 6)


def pictures() -> Tensor:
    """Half of them random, half of them a background of one color."""
    pixels = torch.rand(16, 4, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    pixels[8:] = 0.3
    return pixels


@pytest.mark.parametrize("inference", [False, True])
def test_batch_norm_may_be_off_by_what_its_sums_lose_one_by_one(inference: bool) -> None:
    pixels, norm = pictures(), nn.BatchNorm2d(4, dtype=torch.float64)
    errors = []
    for channel in pixels.transpose(0, 1).flatten(1).numpy():
        total = np.float32(0.0)
        for value in channel:
            total += np.float32(value)
        errors.append(abs(total / len(channel) - channel.mean()) / channel.std())
    norms = sums_of(lambda: norm(pixels), inference).norms
    assert norms >= 0.99 * max(errors) > 1e-5, "the variance may be further off than the mean"
    assert norms < 10 * max(errors)


def test_torch_is_off_by_no_more_in_channels_last() -> None:
    pixels, norm = pictures(), nn.BatchNorm2d(4, momentum=1.0)
    norm(pixels.float().contiguous(memory_format=torch.channels_last))
    assert norm.running_mean is not None
    off = (norm.running_mean.double() - pixels.mean((0, 2, 3))).abs() / pixels.std((0, 2, 3))
    assert float(off.max()) <= 1.1 * sums_of(lambda: nn.BatchNorm2d(4)(pixels.float()), inference=True).norms


def test_longest_of_several_counts() -> None:
    model = nn.Sequential(nn.Linear(5, 100), nn.Linear(100, 2))
    assert sums_of(lambda: model(ROWS), inference=True) == Sums(products=100)
