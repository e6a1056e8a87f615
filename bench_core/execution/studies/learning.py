"""A study: how long a training takes to reach a target accuracy. A faster step that does not learn is worthless."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench_core import workloads
from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import NO_SOURCES, Case, Sources
from bench_core.core.errors import CaseSkipped
from bench_core.core.step import Step
from bench_core.core.studies import TimeToAccuracy
from bench_core.execution.runner import threads
from bench_core.execution.skips import machine_limits_are_skips
from bench_core.hardware.contention import ContentionWatch
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.workloads.data.cifar import has_cifar10
from bench_core.workloads.data.digits import STAND_IN, mnist
from bench_core.workloads.dense.mlp import normalized
from bench_core.workloads.kit.building import build
from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.vision.resnet20 import cifar_shaped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Batches = Sequence[tuple[Tensor, Tensor]]

MAX_SECONDS = 180.0
"""A training that has not reached its target after this time is stopped."""
TEST_BATCH = 1000
"""Test images evaluated at once."""


@dataclass(frozen=True)
class AccuracyTarget:
    """The share of test images that a workload's training is to classify correctly, and how it is trained.

    The accuracy is evaluated after every ``eval_interval`` steps; after ``max_steps`` the training is stopped.
    ``prepare`` prepares test images as the workload prepares training images. ``expected`` is the expected time in
    seconds, which is announced before a sweep. The target is one for digits: ``takes_others`` says whether the workload
    would take other data from a folder of the user.
    """

    workload: str
    accuracy: float
    batch_size: int
    eval_interval: int
    max_steps: int
    expected: float
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.float64]] = normalized
    takes_others: Callable[[Path], bool] = lambda _: False


# The targets are our choice: a correct training reaches them in seconds; one that does not learn stays near 10%. The
# batch sizes are those of the sources, except for ResNet-20, where the source's 128 would take minutes on a CPU.
_TARGETS = (
    AccuracyTarget("mlp_train", accuracy=0.90, batch_size=64, eval_interval=25, max_steps=5_000, expected=5),
    AccuracyTarget("cnn_mnist_train", accuracy=0.95, batch_size=64, eval_interval=100, max_steps=10_000, expected=15),
    AccuracyTarget(
        "resnet20_cifar_train",
        accuracy=0.97,
        batch_size=32,
        eval_interval=20,
        max_steps=1_000,
        expected=60,
        prepare=cifar_shaped,
        takes_others=has_cifar10,
    ),
)
TARGETS = {target.workload: target for target in _TARGETS}


def measure_time_to_accuracy(workload: str, device: str, sources: Sources = NO_SOURCES) -> TimeToAccuracy:
    """Train a workload's model with its own step in fp32 until the target is met, on ``cpu`` (all cores) or ``cuda``.

    Raises ``KeyError`` for a workload without a target, and ``CaseSkipped`` if there is not enough memory, or if the
    workload would train on other data than the target is for.
    """
    target = TARGETS[workload]
    if sources.data is not None and target.takes_others(sources.data):
        raise CaseSkipped(f"the target of {workload} is one for digits, and {sources.data} has other data for it")
    case = Case(workload, device, target.batch_size)
    trained = workloads.get(workload)
    with threads(case.threads), machine_limits_are_skips():
        build(trained, case, sources=sources)()  # loads the libraries, with a model that is discarded
        step = build(trained, case, sources=sources, full_epochs=True)
        return train_to_target(target, case, step, held_out_batches(target, case, sources))


def train_to_target(
    target: AccuracyTarget, case: Case, step: Step, test: Batches, timer: Callable[[], float] = time.perf_counter
) -> TimeToAccuracy:
    """Call a step, built with ``full_epochs``, until the target is met or a limit of steps or time is reached.

    Only the steps are timed: the device is synchronized before each reading of the clock, and the accuracy is evaluated
    in between.
    """
    devices = resolve(step.devices)
    clock = SynchronizedClock(devices, timer)
    (model,) = step.modules.values()
    steps, seconds, reached = 0, 0.0, 0.0
    watch = ContentionWatch()
    while reached < target.accuracy and steps < target.max_steps and seconds < MAX_SECONDS:
        seconds += clock.block(step.fn, target.eval_interval).wall
        steps += target.eval_interval
        reached = accuracy(model, test)
    return TimeToAccuracy(
        workload=target.workload,
        device=devices[0].name.partition(":")[0],
        device_model=devices[0].model(),
        threads=torch.get_num_threads(),
        batch_size=case.batch_size,
        data=step.data,
        stand_in=step.data == STAND_IN,
        test_size=sum(len(labels) for _, labels in test),
        target=target.accuracy,
        accuracy=reached,
        steps=steps,
        eval_interval=target.eval_interval,
        units=steps * step.units,
        seconds=seconds,
        met=reached >= target.accuracy,
        seed=case.seed,
        contended=watch.contended(torch.get_num_threads()),
    )


def held_out_batches(target: AccuracyTarget, case: Case, sources: Sources = NO_SOURCES) -> Batches:
    """The test images and their classes on the case's device, each image once (the stand-in repeats its images)."""
    digits = mnist(sources.data, train=False)
    rows = list({image.tobytes(): row for row, image in enumerate(digits.images)}.values())
    ctx = BuildContext(case)
    parts = [rows[i : i + TEST_BATCH] for i in range(0, len(rows), TEST_BATCH)]
    return [(ctx.tensor(target.prepare(digits.images[part])), ctx.tensor(digits.labels[part])) for part in parts]


def accuracy(model: nn.Module, batches: Batches) -> float:
    """The share of images that the model, in evaluation mode, classifies correctly."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        correct = sum(int((model(images).argmax(dim=1) == labels).sum()) for images, labels in batches)
    model.train(was_training)
    return correct / sum(len(labels) for _, labels in batches)


def learning_summary(rows: Sequence[TimeToAccuracy]) -> str:
    """The accuracy and time reached, as a line of progress."""
    return "; ".join(
        f"{text.share(row.accuracy)} after {text.whole(row.steps)} steps, {text.seconds(row.seconds)}"
        + ("" if row.met else f" (target of {text.share(row.target)} not reached)")
        + (f" ({BESIDE_OTHER_WORK})" if row.contended else "")
        for row in rows
    )
