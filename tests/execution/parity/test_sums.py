"""The longest sums of a call, from its operations."""

from __future__ import annotations

from collections.abc import Callable

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
        (nn.BatchNorm2d(3), IMAGES, Sums(norms=128)),
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


def test_longest_of_several_counts() -> None:
    model = nn.Sequential(nn.Linear(5, 100), nn.Linear(100, 2))
    assert sums_of(lambda: model(ROWS), inference=True) == Sums(products=100)
