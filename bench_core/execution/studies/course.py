"""A study: the five epochs of beginners' courses, timed as there, and what the time consists of. See docs/course.md.

``python -m bench_core.execution.studies.course --device cpu --workload mlp_train`` prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import DEVICES, NO_SOURCES, Sources
from bench_core.core.stats import Interval
from bench_core.core.studies import CourseRun
from bench_core.execution.studies.fresh import forked, rows_of
from bench_core.execution.studies.ladder import Training
from bench_core.execution.studies.tutorial import BATCH, NETWORKS, DigitsTraining
from bench_core.hardware.contention import ContentionWatch
from bench_core.hardware.device import Device, find
from bench_core.hardware.machine import usable_cpus
from bench_core.timing.sampling import measure

EPOCHS = 5
TIME_LIMIT = 3600
"""Seconds that a run may take on a device."""


@dataclass(frozen=True)
class Stopwatch:
    """What a course's clock reports of a training: its seconds, and its steps.

    ``unfinished`` are the seconds that the device still worked after the clock was read.
    """

    seconds: float
    unfinished: float
    steps: int


@dataclass(frozen=True)
class Part:
    """A part of a step, measured by this suite's rules: the median in seconds, and its confidence interval, if any."""

    seconds: float
    interval: Interval | None


@dataclass(frozen=True)
class Parts:
    """What a training consists of: placing the model and the first step (``first``, in seconds, once), and the parts of
    each step, measured one at a time on a warm device."""

    first: float
    load: Part
    copy: Part
    train: Part


def time_as_in_courses(
    training: Training, device: Device, epochs: int = EPOCHS, timer: Callable[[], float] = time.time
) -> Stopwatch:
    """Train for some epochs between two readings of the clock, without synchronizing, as courses do.

    The clock starts before the model is moved to the device. ``training`` and ``device`` must not have been used in
    this process.
    """
    steps = 0
    start = timer()
    training.place()
    for _ in range(epochs):
        for batch in training.loader():
            training.train(training.copy(batch), own_optimizer=True)
            steps += 1
    stopped = timer()
    device.synchronize()
    return Stopwatch(stopped - start, max(0.0, timer() - stopped), steps)


def measure_parts(
    training: Training, device: Device, max_time: float = 1.0, timer: Callable[[], float] = time.perf_counter
) -> Parts:
    """Measure the parts of a training, each with at most ``max_time`` seconds of samples.

    ``training`` and ``device`` must not have been used in this process, since the first step is to be cold.
    """
    batches = _endless(training)
    batch = next(batches)
    start = timer()
    training.place()
    training.train(training.copy(batch), own_optimizer=True)
    device.synchronize()
    first = timer() - start

    def part(work: Callable[[], Any]) -> Part:
        m = measure(work, device, max_time=max_time, timer=timer)
        return Part(m.median, m.interval)

    return Parts(first, part(partial(next, batches)), part(partial(training.copy, batch)), part(training.resident()))


def _endless(training: Training) -> Iterator[Any]:
    while True:
        yield from training.loader()


def run_course(
    workload: str, device: str, sources: Sources = NO_SOURCES, epochs: int = EPOCHS, max_time: float = 1.0
) -> tuple[CourseRun, ...]:
    """A course's run of a workload on ``cpu`` or ``cuda``, in fresh processes.

    Raises ``CaseSkipped`` where processes cannot be forked, and ``RuntimeError`` with the last line that the process
    printed, if it fails.
    """
    arguments = ["--workload", workload, "--device", device, "--epochs", str(epochs), "--max-time", str(max_time)]
    arguments += ["--data", str(sources.data)] if sources.data else []
    return rows_of(CourseRun, f"the course's {workload} on {device}", __name__, arguments, TIME_LIMIT)


def course_summary(rows: Sequence[CourseRun]) -> str:
    """What the course's clock reports and what the training alone takes, as a line of progress."""
    return "; ".join(
        f"{text.seconds(row.seconds)} by the course's clock, {text.seconds(row.steps * row.train)} of training"
        + (f" ({BESIDE_OTHER_WORK}, so no conclusion)" if row.contended else "")
        for row in rows
    )


def _begun(workload: str, device: str, sources: Sources) -> tuple[DigitsTraining, Device]:
    """The training and its device, both unused, on all usable cores, whatever torch's default is."""
    torch.set_num_threads(usable_cpus())
    # With an explicit index, finding the GPU does not use it: its first use must be inside the timed part.
    name = "cuda:0" if device == "cuda" else device
    return DigitsTraining(name, sources, workload), find(name)


def _watched(workload: str, device: str, sources: Sources, epochs: int) -> tuple[Stopwatch, bool]:
    """What the course's clock reports, and whether other work took the CPU meanwhile."""
    training, target = _begun(workload, device, sources)
    watch = ContentionWatch()
    return time_as_in_courses(training, target, epochs), watch.contended(torch.get_num_threads())


def _taken_apart(
    workload: str, device: str, sources: Sources, epochs: int, max_time: float, stopwatch: Stopwatch, contended: bool
) -> CourseRun:
    training, target = _begun(workload, device, sources)
    watch = ContentionWatch()
    parts = measure_parts(training, target, max_time)
    contended |= watch.contended(torch.get_num_threads())
    return stored(workload, training.data, target, epochs, stopwatch, parts, contended=contended)


def stored(
    workload: str, data: str, device: Device, epochs: int, stopwatch: Stopwatch, parts: Parts, *, contended: bool
) -> CourseRun:
    """A run in the form that is stored; ``contended`` if other work took the CPU meanwhile.

    Raises ``RecordError`` for a device that is not a real one.
    """
    return CourseRun(
        workload=workload,
        device=device.name.partition(":")[0],
        device_model=device.model(),
        threads=torch.get_num_threads(),
        batch_size=BATCH,
        data=data,
        epochs=epochs,
        steps=stopwatch.steps,
        seconds=stopwatch.seconds,
        unfinished=stopwatch.unfinished,
        first=parts.first,
        load=parts.load.seconds,
        load_interval=parts.load.interval,
        copy=parts.copy.seconds,
        copy_interval=parts.copy.interval,
        train=parts.train.seconds,
        train_interval=parts.train.interval,
        contended=contended,
    )


def main() -> None:
    """Time the epochs in a fork of this process and measure their parts in another; print the run as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bench_core.execution.studies.course", description="Prints a course's run as JSON."
    )
    parser.add_argument("--workload", choices=tuple(NETWORKS), default=next(iter(NETWORKS)))
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--max-time", type=float, default=1.0)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    sources = Sources(data=asked.data)
    import torchvision.datasets  # noqa: F401 - imported once: every process starts as a copy of this one

    common = asked.workload, asked.device, sources, asked.epochs
    run = forked(_taken_apart, *common, asked.max_time, *forked(_watched, *common))
    print(json.dumps(asdict(run)), flush=True)


if __name__ == "__main__":
    main()
