"""An optimizer's first step in float64: the same update, by other code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop

from bench_core.execution.parity.updates import description, first_updates

Make = Callable[[list[nn.Parameter]], Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "momentum and decay": lambda weights: SGD(weights, lr=0.1, momentum=0.9, weight_decay=1e-2),
    "nesterov": lambda weights: SGD(weights, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda weights: Adam(weights, lr=1e-3, betas=(0.5, 0.999)),
    "amsgrad": lambda weights: AdamW(weights, lr=1e-3, amsgrad=True),
    "rmsprop": lambda weights: RMSprop(weights, lr=1e-3, momentum=0.5),
    "two groups": lambda weights: SGD([{"params": weights[:1], "lr": 1.0}, {"params": weights[1:]}], lr=0.1),
    "foreach": lambda weights: Adam(weights, foreach=True),
    "fused": lambda weights: Adam(weights, fused=True),
}


class Named(SGD):
    """An optimizer that cannot be built from the options of its groups."""

    def __init__(self, weights: list[nn.Parameter], name: str) -> None:
        super().__init__(weights, lr=0.1)
        self.name = name


def weights_with_gradients() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(n, generator=generator, dtype=torch.float64)) for n in (5, 3)]
    for weight in weights:
        weight.grad = torch.randn(len(weight), generator=generator, dtype=torch.float64)
    return weights


def vectors(tensors: list[Tensor]) -> list[np.ndarray]:
    return [tensor.detach().numpy().copy() for tensor in tensors]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_update_is_that_of_the_optimizer(make: Make) -> None:
    weights = weights_with_gradients()
    optimizer = make(weights)
    before = vectors(weights)
    optimizer.step()
    updates = first_updates({"model": optimizer}, weights, before, vectors([weight.grad for weight in weights]))
    assert updates is not None
    for update, weight, first in zip(updates, weights, before, strict=True):
        np.testing.assert_allclose(update, weight.detach().numpy() - first, rtol=1e-12)
        assert update.any()


def test_weight_without_a_gradient_or_without_an_optimizer_is_not_updated() -> None:
    weights = weights_with_gradients()
    optimizer = SGD(weights[:1], lr=0.1)
    gradients = vectors([weight.grad for weight in weights])
    first, second = first_updates({"model": optimizer}, weights, vectors(weights), gradients) or ()
    np.testing.assert_allclose(first, -0.1 * gradients[0], rtol=1e-12)
    assert not second.any()
    assert not np.concatenate(first_updates({"model": optimizer}, weights, vectors(weights), [None, None]) or ()).any()


def test_optimizer_that_cannot_be_built_again_has_no_update() -> None:
    weights = weights_with_gradients()
    assert first_updates({"model": Named(weights, "own")}, weights, vectors(weights), [None, None]) is None


def test_step_that_needs_more_than_gradients_has_no_update() -> None:
    weights = weights_with_gradients()
    assert first_updates({"model": LBFGS(weights)}, weights, vectors(weights), [None, None]) is None


def test_option_that_is_no_plain_value_is_described_by_its_class() -> None:
    weights = weights_with_gradients()
    one, other = (SGD([{"params": weights, "own": object()}], lr=0.1) for _ in range(2))
    assert description(one) == description(other)
    assert "object" in description(one)


def test_description_has_what_is_computed_and_not_how() -> None:
    weights = weights_with_gradients()
    plain, fused, slow = Adam(weights), Adam(weights, fused=True), Adam(weights, lr=1e-4)
    assert description(plain) == description(fused) != description(slow)
    assert description(plain) == description(Adam(weights, lr=torch.tensor(1e-3, dtype=torch.float64)))
    assert description(plain) != description(AdamW(weights))
