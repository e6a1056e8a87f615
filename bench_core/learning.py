"""A study: how long a training takes to reach a stated accuracy. A faster step that does not learn is worth nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench_core import text, workloads
from bench_core.build import BuildContext
from bench_core.clock import SynchronizedClock
from bench_core.datasets import mnist
from bench_core.device import resolve
from bench_core.records import Learned
from bench_core.runner import out_of_memory_is_a_skip, threads
from bench_core.spec import Case, Step
from bench_core.workloads.mlp import normalized
from bench_core.workloads.resnet20 import cifar_shaped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Batches = Sequence[tuple[Tensor, Tensor]]

MOST_SECONDS = 180.0
"""A training that has not reached its target after so long is given up."""
TEST_BATCH = 1000


@dataclass(frozen=True)
class Goal:
    """The share of test images that a workload's training is to name rightly, and how it goes about it.

    After every ``every`` steps the accuracy is looked at; after ``most_steps`` the training is given up. ``prepare``
    makes of test images what the workload makes of training images. ``expected`` seconds are announced for it.
    """

    workload: str
    target: float
    batch_size: int
    every: int
    most_steps: int
    expected: float
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.float64]] = normalized


# The targets are our choice: a right training reaches them in seconds, and one that does not learn stays near one image
# in ten. The batches are those of the sources but for ResNet-20, where the source's 128 would take a CPU minutes.
_GOALS = (
    Goal("mlp_train", target=0.90, batch_size=64, every=25, most_steps=5_000, expected=5),
    Goal("cnn_mnist_train", target=0.95, batch_size=64, every=100, most_steps=10_000, expected=15),
    Goal(
        "resnet20_cifar_train",
        target=0.97,
        batch_size=32,
        every=20,
        most_steps=1_000,
        expected=60,
        prepare=cifar_shaped,
    ),
)
GOALS = {goal.workload: goal for goal in _GOALS}


def learn(workload: str, device: str, data_dir: Path | None = None) -> Learned:
    """Train a workload's model with its own step in fp32 until its goal is met, on ``cpu`` (all cores) or ``cuda``.

    Raises ``KeyError`` for a workload without a goal, and ``CaseSkipped`` where memory does not suffice.
    """
    goal = GOALS[workload]
    case = Case(workload, device, goal.batch_size)
    with threads(case.threads), out_of_memory_is_a_skip():
        workloads.build(case, data_dir=data_dir)()  # libraries are loaded by a model that is thrown away
        step = workloads.get(workload).build(BuildContext(workloads.settled(case), data_dir=data_dir, whole=True))
        return pursue(goal, case, step, unseen(goal, case, data_dir))


def pursue(
    goal: Goal, case: Case, step: Step, test: Batches, timer: Callable[[], float] = time.perf_counter
) -> Learned:
    """Call a step, built with ``whole``, until the goal is met or given up.

    Only the steps are timed: the device is waited for before each reading of the clock, and the accuracy is computed in
    between.
    """
    devices = resolve(step.devices)
    clock = SynchronizedClock(devices, timer)
    (model,) = step.modules.values()
    steps, seconds, reached = 0, 0.0, 0.0
    while reached < goal.target and steps < goal.most_steps and seconds < MOST_SECONDS:
        seconds += clock.block(step.fn, goal.every).wall
        steps += goal.every
        reached = accuracy(model, test)
    return Learned(
        workload=goal.workload,
        device=devices[0].name.partition(":")[0],
        device_model=devices[0].model(),
        threads=torch.get_num_threads(),
        batch_size=case.batch_size,
        data=step.data,
        tested=sum(len(labels) for _, labels in test),
        target=goal.target,
        reached=reached,
        steps=steps,
        every=goal.every,
        units=steps * step.units,
        seconds=seconds,
        met=reached >= goal.target,
        seed=case.seed,
    )


def unseen(goal: Goal, case: Case, data_dir: Path | None = None) -> Batches:
    """The images of the test part and their classes on the case's device, each once: the stand-in repeats its own."""
    digits = mnist(data_dir, train=False)
    rows = list({image.tobytes(): row for row, image in enumerate(digits.images)}.values())
    ctx = BuildContext(case)
    parts = [rows[i : i + TEST_BATCH] for i in range(0, len(rows), TEST_BATCH)]
    return [(ctx.tensor(goal.prepare(digits.images[part])), ctx.tensor(digits.labels[part])) for part in parts]


def accuracy(model: nn.Module, batches: Batches) -> float:
    """The share of images whose class the model, in evaluation mode, holds for the likeliest."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in batches)
    model.train(was_training)
    return right / sum(len(labels) for _, labels in batches)


def in_words(rows: Sequence[Learned]) -> str:
    """What was reached, for a line of progress."""
    return "; ".join(
        f"{text.share(row.reached)} after {text.whole(row.steps)} steps, {text.seconds(row.seconds)}"
        + ("" if row.met else f" (target of {text.share(row.target)} not reached)")
        for row in rows
    )
