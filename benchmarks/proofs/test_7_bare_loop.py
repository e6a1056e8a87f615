"""What the suite adds to the work itself: a step and the same torch calls in a handwritten loop, timed in turn."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer

from bench_core import Case, Step, workloads
from bench_core.core import stats
from bench_core.workloads.data.digits import mnist
from bench_core.workloads.data.series import ar1

PrintLine = Callable[[str], None]
Run = Callable[[int], object]
"""Makes so many calls."""
Loop = Callable[[int], Tensor]
"""Makes so many calls and returns the last output."""
Batches = Sequence[tuple[Tensor, Tensor]]

BLOCK, ROUNDS = 0.02, 40
"""The minimum seconds of a block, and the number of rounds of two pairs of blocks."""


@dataclass(frozen=True)
class Handwritten:
    """A workload's loop written by hand, the batch size, and how far off the ratio of the step to it may be."""

    write: Callable[[Step, int], Loop]
    batch: int
    most: float


def test_a_step_takes_as_long_as_a_bare_loop(by_hand: Handwritten, print_line: PrintLine) -> None:
    name = by_hand.write.__name__
    step = workloads.build(Case(name, batch_size=by_hand.batch))
    loop, again = by_hand.write(step, by_hand.batch), by_hand.write(step, by_hand.batch)
    assert torch.equal(last(step()), loop(1)), "the loop does other work than the step"
    again(1)

    measured = in_turns(step, loop, again, ROUNDS)
    print_line(f"step / bare loop, {name} b{by_hand.batch}: {measured}; {1e6 * measured.seconds:.0f} µs a call")
    assert loop(1).isfinite().all()
    assert abs(measured.ratio - 1) <= max(by_hand.most, *(abs(end - 1) for end in measured.spread))


@dataclass(frozen=True)
class InTurns:
    """A step measured in turns with a loop that does the same work: the ratio of their times, and that of the loop to
    itself (``control``), each with its interval; the seconds of a call of the loop, and the calls in a block."""

    ratio: float
    interval: stats.Interval
    control: float
    spread: stats.Interval
    seconds: float
    calls: int

    def __str__(self) -> str:
        return (
            f"{self.ratio:.4f} (interval {self.interval[0]:.4f} to {self.interval[1]:.4f}); "
            f"loop / loop {self.control:.4f} ({self.spread[0]:.4f} to {self.spread[1]:.4f})"
        )


def in_turns(step: Step, loop: Loop, again: Loop, rounds: int) -> InTurns:
    """Measure a step, a loop, and the loop ``again`` as the control, in rounds of two pairs of blocks."""

    def steps(calls: int) -> None:
        for _ in range(calls):
            step()

    times: dict[Run, list[float]] = {run: [] for run in (steps, loop, again)}
    calls = calls_in_a_block(loop)
    for _ in range(rounds):
        for run in (steps, loop, again, again, loop, steps):
            times[run].append(seconds(run, calls))
    ratio, interval = paired(times[steps], times[loop])
    control, spread = paired(times[again], times[loop])
    return InTurns(ratio, interval, control, spread, statistics.median(times[loop]) / calls, calls)


def seconds(run: Run, calls: int) -> float:
    """The time of a block. A call before it brings its weights back into the cache."""
    run(1)
    gc.disable()
    start = time.perf_counter()
    run(calls)
    end = time.perf_counter()
    gc.enable()
    return end - start


def calls_in_a_block(run: Run) -> int:
    """So many calls that even the shortest of a few blocks lasts ``BLOCK``."""
    calls = 1
    while (shortest := min(seconds(run, calls) for _ in range(5))) < BLOCK:
        calls = max(calls + 1, math.ceil(1.1 * calls * BLOCK / max(shortest, BLOCK / 10)))
    return calls


def paired(times: Sequence[float], others: Sequence[float]) -> tuple[float, stats.Interval]:
    """The median ratio of neighboring blocks, and its interval."""
    ratios = [a / b for a, b in zip(times, others, strict=True)]
    interval = stats.median_interval(ratios, 0.95, stats.effective_size(ratios))
    assert interval is not None
    return stats.median(ratios), interval


def last(output: Tensor | dict[str, Tensor]) -> Tensor:
    """The output that a loop returns: of a GAN the generator's loss."""
    return output["fooled"] if isinstance(output, dict) else output


def with_weights_of(other: nn.Module, model: nn.Module) -> nn.Module:
    """A handwritten model with the weights and masks of the step's."""
    own = chain(model.parameters(), model.buffers())
    with torch.no_grad():
        for tensor, value in zip(own, chain(other.parameters(), other.buffers()), strict=True):
            tensor.copy_(value)
    return model


def rows_of(population: int, batch: int) -> tuple[NDArray[np.intp], np.random.Generator]:
    """Eight batches of row numbers and the generator that drew them, as the suite draws."""
    rng = np.random.default_rng(0)
    return np.resize(rng.permutation(population), (8, batch)), rng


def digit_batches(batch: int, train: bool = True) -> Batches:
    digits = mnist(train=train)
    images = (digits.images / 255 - 0.5) / 0.5
    rows, _ = rows_of(len(images), batch)
    return [(torch.tensor(images[r][:, None]).float(), torch.tensor(digits.labels[r])) for r in rows]


def training(
    model: nn.Module, optimizer: Optimizer, loss_fn: Callable[[Tensor, Tensor], Tensor], batches: Batches
) -> Loop:
    turn = cycle(batches)

    def loop(calls: int) -> Tensor:
        for inputs, targets in islice(turn, calls):
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            optimizer.step()
            loss = loss.detach()  # which frees the graph, as a step does when it returns
        return loss

    return loop


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def mlp_train(step: Step, batch: int) -> Loop:
    model = with_weights_of(step.modules["model"], mlp())
    return training(model, SGD(model.parameters(), lr=0.01), F.cross_entropy, digit_batches(batch))


def mlp_infer(step: Step, batch: int) -> Loop:
    model = with_weights_of(step.modules["model"], mlp()).eval()
    turn = cycle([images for images, _ in digit_batches(batch, train=False)])

    def loop(calls: int) -> Tensor:
        for images in islice(turn, calls):
            with torch.inference_mode():
                logits: Tensor = model(images)
        return logits

    return loop


def ann_train(step: Step, batch: int) -> Loop:
    hidden = (nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10), nn.LogSoftmax(dim=1))
    model = with_weights_of(step.modules["model"], layers)
    return training(model, Adam(model.parameters(), lr=0.001), F.nll_loss, digit_batches(batch))


def cnn_mnist_train(step: Step, batch: int) -> Loop:
    convolutions = (nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.ReLU(), nn.MaxPool2d(2))
    head = (nn.Linear(192, 120), nn.ReLU(), nn.Linear(120, 60), nn.ReLU(), nn.Linear(60, 10))
    model = with_weights_of(step.modules["model"], nn.Sequential(*convolutions, nn.Flatten(), *head))
    return training(model, SGD(model.parameters(), lr=0.01), F.cross_entropy, digit_batches(batch))


class LSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(1, 64, batch_first=True), nn.Linear(64, 1)

    def forward(self, series: Tensor) -> Tensor:
        last: Tensor = self.head(self.cells(series)[0][:, -1])
        return last


def lstm_ar_train(step: Step, batch: int) -> Loop:
    series = torch.tensor(ar1()).float()
    rows, _ = rows_of(len(series) - 5, batch)
    batches = [(torch.stack([series[i : i + 5, None] for i in r]), series[r + 5, None]) for r in rows]
    model = with_weights_of(step.modules["model"], LSTM())
    return training(model, Adam(model.parameters(), lr=0.001), F.mse_loss, batches)


class Maxout(nn.Module):
    """The largest of five linear pieces per unit, half of the units dropped."""

    mask: Tensor

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 5 * units)
        self.register_buffer("mask", torch.empty(1, units))

    def forward(self, x: Tensor) -> Tensor:
        largest: Tensor = self.linear(x).view(len(x), -1, 5).amax(-1)
        return largest * self.mask


def gan_step(step: Step, batch: int) -> Loop:
    layers = (nn.Linear(100, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid())
    generator = with_weights_of(step.modules["generator"], nn.Sequential(*layers))
    pieces = nn.Sequential(Maxout(784, 256), Maxout(256, 128), nn.Linear(128, 1))
    discriminator = with_weights_of(step.modules["discriminator"], pieces)
    draws, judges = (SGD(model.parameters(), lr=0.001, momentum=0.5) for model in (generator, discriminator))
    digits = mnist(train=True)
    rows, rng = rows_of(len(digits.images), batch)
    pixels = [torch.tensor(digits.images[r].reshape(-1, 784) / 255).float() for r in rows]
    turn = cycle([(real, *torch.tensor(rng.random((2, batch, 100))).float()) for real in pixels])

    def judged(images: Tensor, target: float) -> Tensor:
        logits = discriminator(images)
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def loop(calls: int) -> Tensor:
        for real, noise, fresh in islice(turn, calls):
            with torch.no_grad():
                generated = generator(noise)
            on_real, on_generated = judged(real, 1), judged(generated, 0)
            judges.zero_grad()
            (on_real + on_generated).backward()
            judges.step()
            discriminator.requires_grad_(False)
            fooled = judged(generator(fresh), 1)
            draws.zero_grad()
            fooled.backward()
            draws.step()
            discriminator.requires_grad_(True)
            on_real, on_generated, fooled = on_real.detach(), on_generated.detach(), fooled.detach()
        return fooled

    return loop


CASES = (
    Handwritten(mlp_train, 1, 0.01),
    Handwritten(mlp_train, 64, 0.01),
    Handwritten(mlp_infer, 1, 0.03),  # a call is so short that half a microsecond of Python is 2% of it
    Handwritten(mlp_infer, 64, 0.01),
    Handwritten(ann_train, 10, 0.01),
    Handwritten(cnn_mnist_train, 64, 0.01),
    Handwritten(lstm_ar_train, 32, 0.01),
    Handwritten(gan_step, 10, 0.01),
)


@pytest.fixture(params=CASES, ids=[f"{case.write.__name__}-b{case.batch}" for case in CASES])
def by_hand(request: pytest.FixtureRequest) -> Handwritten:
    assert isinstance(request.param, Handwritten)
    return request.param
