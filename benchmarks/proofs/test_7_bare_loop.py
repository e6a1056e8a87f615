"""What the suite adds to the work itself: a step against the same torch calls in a loop written by hand, in turn."""

import gc
import math
import statistics
import time
from itertools import chain, cycle, islice

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

from bench_core import Case, workloads
from bench_core.core import stats
from bench_core.workloads.data.digits import mnist
from bench_core.workloads.data.series import ar1

BLOCK, ROUNDS = 0.02, 40
"""The least seconds of a block, and rounds of two pairs of blocks."""


def test_a_step_takes_as_long_as_a_bare_loop(by_hand, tell):
    name, case, write, most = by_hand
    step = workloads.build(case)
    loop, again = write(step, case.batch_size), write(step, case.batch_size)
    assert torch.equal(last(step()), loop(1)), "the loop does other work than the step"
    again(1)

    def steps(calls):
        for _ in range(calls):
            step()

    times = {run: [] for run in (steps, loop, again)}
    calls = calls_in_a_block(loop)
    for _ in range(ROUNDS):
        for run in (steps, loop, again, again, loop, steps):
            times[run].append(seconds(run, calls))
    ratio, interval = paired(times[steps], times[loop])
    control, spread = paired(times[again], times[loop])
    tell(
        f"step / bare loop, {name}: {ratio:.4f} (interval {interval[0]:.4f} to {interval[1]:.4f}); "
        f"loop / loop {control:.4f} ({spread[0]:.4f} to {spread[1]:.4f}); "
        f"{1e6 * statistics.median(times[loop]) / calls:.0f} µs a call"
    )
    assert loop(1).isfinite().all()
    assert abs(ratio - 1) <= max(most, *(abs(end - 1) for end in spread))


def seconds(run, calls):
    """The time of a block, its weights back in the cache first: those of another may have run before."""
    run(1)
    gc.disable()
    start = time.perf_counter()
    run(calls)
    took = time.perf_counter() - start
    gc.enable()
    return took


def calls_in_a_block(run):
    """So many calls that even the quickest of a few blocks lasts ``BLOCK``."""
    calls = 1
    while (quickest := min(seconds(run, calls) for _ in range(5))) < BLOCK:
        calls = max(calls + 1, math.ceil(1.1 * calls * BLOCK / max(quickest, BLOCK / 10)))
    return calls


def paired(times, others):
    """The median ratio of neighbouring blocks, and its interval."""
    ratios = [a / b for a, b in zip(times, others, strict=True)]
    return stats.median(ratios), stats.median_interval(ratios, 0.95, stats.effective_size(ratios))


def last(output):
    """The output that a loop returns: of a game the generator's loss."""
    return output["fooled"] if isinstance(output, dict) else output


def with_weights_of(other, model):
    """A model written by hand, with the weights and masks of the step's."""
    own = chain(model.parameters(), model.buffers())
    with torch.no_grad():
        for tensor, value in zip(own, chain(other.parameters(), other.buffers()), strict=True):
            tensor.copy_(value)
    return model


def rows_of(population, batch):
    """Eight batches of row numbers and the generator that drew them, as the suite draws."""
    rng = np.random.default_rng(0)
    return np.resize(rng.permutation(population), (8, batch)), rng


def digit_batches(batch, train=True):
    digits = mnist(train=train)
    images = (digits.images / 255 - 0.5) / 0.5
    rows, _ = rows_of(len(images), batch)
    return [(torch.tensor(images[r][:, None]).float(), torch.tensor(digits.labels[r])) for r in rows]


def training(model, optimizer, loss_fn, batches):
    turn = cycle(batches)

    def loop(calls):
        for inputs, targets in islice(turn, calls):
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            optimizer.step()
            loss = loss.detach()  # which lets go of the graph, as a step does when it returns
        return loss

    return loop


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def mlp_train(step, batch):
    model = with_weights_of(step.modules["model"], mlp())
    return training(model, SGD(model.parameters(), lr=0.01), F.cross_entropy, digit_batches(batch))


def mlp_infer(step, batch):
    model = with_weights_of(step.modules["model"], mlp()).eval()
    turn = cycle([images for images, _ in digit_batches(batch, train=False)])

    def loop(calls):
        for images in islice(turn, calls):
            with torch.inference_mode():
                logits = model(images)
        return logits

    return loop


def ann_train(step, batch):
    hidden = (nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    model = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10), nn.LogSoftmax(dim=1))
    model = with_weights_of(step.modules["model"], model)
    return training(model, Adam(model.parameters(), lr=0.001), F.nll_loss, digit_batches(batch))


def cnn_mnist_train(step, batch):
    convolutions = (nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 12, 5), nn.ReLU(), nn.MaxPool2d(2))
    head = (nn.Linear(192, 120), nn.ReLU(), nn.Linear(120, 60), nn.ReLU(), nn.Linear(60, 10))
    model = with_weights_of(step.modules["model"], nn.Sequential(*convolutions, nn.Flatten(), *head))
    return training(model, SGD(model.parameters(), lr=0.01), F.cross_entropy, digit_batches(batch))


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(1, 64, batch_first=True), nn.Linear(64, 1)

    def forward(self, series):
        return self.head(self.cells(series)[0][:, -1])


def lstm_ar_train(step, batch):
    series = torch.tensor(ar1()).float()
    rows, _ = rows_of(len(series) - 5, batch)
    batches = [(torch.stack([series[i : i + 5, None] for i in r]), series[r + 5, None]) for r in rows]
    model = with_weights_of(step.modules["model"], LSTM())
    return training(model, Adam(model.parameters(), lr=0.001), F.mse_loss, batches)


class Maxout(nn.Module):
    """The largest of five linear pieces a unit, half of the units dropped."""

    def __init__(self, inputs, units):
        super().__init__()
        self.linear = nn.Linear(inputs, 5 * units)
        self.register_buffer("mask", torch.empty(1, units))

    def forward(self, x):
        return self.linear(x).view(len(x), -1, 5).amax(-1) * self.mask


def gan_step(step, batch):
    layers = (nn.Linear(100, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid())
    generator = with_weights_of(step.modules["generator"], nn.Sequential(*layers))
    discriminator = nn.Sequential(Maxout(784, 256), Maxout(256, 128), nn.Linear(128, 1))
    discriminator = with_weights_of(step.modules["discriminator"], discriminator)
    draws, judges = (SGD(model.parameters(), lr=0.001, momentum=0.5) for model in (generator, discriminator))
    digits = mnist(train=True)
    rows, rng = rows_of(len(digits.images), batch)
    pixels = [torch.tensor(digits.images[r].reshape(-1, 784) / 255).float() for r in rows]
    turn = cycle([(real, *torch.tensor(rng.random((2, batch, 100))).float()) for real in pixels])

    def judged(images, target):
        logits = discriminator(images)
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def loop(calls):
        for real, noise, fresh in islice(turn, calls):
            with torch.no_grad():
                made = generator(noise)
            on_real, on_made = judged(real, 1), judged(made, 0)
            judges.zero_grad()
            (on_real + on_made).backward()
            judges.step()
            discriminator.requires_grad_(False)
            fooled = judged(generator(fresh), 1)
            draws.zero_grad()
            fooled.backward()
            draws.step()
            discriminator.requires_grad_(True)
            on_real, on_made, fooled = on_real.detach(), on_made.detach(), fooled.detach()
        return fooled

    return loop


# Workload, batch size, and how far off the ratio may be: a call of mlp_infer at batch 1 is so short that half a
# microsecond of Python is 2% of it.
CASES = (
    (mlp_train, 1, 0.01),
    (mlp_train, 64, 0.01),
    (mlp_infer, 1, 0.03),
    (mlp_infer, 64, 0.01),
    (ann_train, 10, 0.01),
    (cnn_mnist_train, 64, 0.01),
    (lstm_ar_train, 32, 0.01),
    (gan_step, 10, 0.01),
)


@pytest.fixture(params=CASES, ids=[f"{write.__name__}-b{batch}" for write, batch, _ in CASES])
def by_hand(request):
    write, batch, most = request.param
    return f"{write.__name__} b{batch}", Case(write.__name__, batch_size=batch), write, most
