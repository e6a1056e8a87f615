"""A study: the time that naive methods report for a training, with one mistake corrected per rung. See docs/ladder.md.

``python -m bench_core.execution.studies.ladder --device cpu`` prints a line of JSON for each rung.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Protocol

import torch

from bench_core.core import text
from bench_core.core.busy import BESIDE_OTHER_WORK
from bench_core.core.case import DEVICES, NO_SOURCES, Sources
from bench_core.core.stats import Interval
from bench_core.core.studies import LadderRung
from bench_core.execution.studies.fresh import forked, rows_of
from bench_core.execution.studies.tutorial import BATCH, WORKLOAD, DigitsTraining
from bench_core.hardware.contention import ContentionWatch
from bench_core.hardware.device import Device, find
from bench_core.hardware.machine import usable_cpus
from bench_core.timing.sampling import measure

STEPS = 200
"""Steps in a rung's loop. The fewer there are, the more one-time costs count, such as that of the first call."""
PREPARED = 8
"""Host batches used in turn when the loader is taken out; as many as the workload keeps on the device."""
TIME_LIMIT = 600
"""Seconds that all rungs together may take on a device."""


@dataclass(frozen=True)
class Rung:
    """A way to time a training: its ``name``, ``what`` it corrects, and flags for the mistakes it no longer makes."""

    name: str
    what: str
    own_optimizer: bool = False
    synchronized: bool = False
    warm: bool = False
    loader_out: bool = False
    resident: bool = False
    repeated: bool = False


AS_IN_TUTORIALS = Rung(
    "as in tutorials",
    "Nothing yet: one loop over a loader, timed from moving the model to the device until the last call returns.",
)
OWN_OPTIMIZER = replace(
    AS_IN_TUTORIALS,
    name="own optimizer",
    what="The optimizer is bound to the model that is trained, so weights are updated and gradients cleared.",
    own_optimizer=True,
)
SYNCHRONIZE = replace(
    OWN_OPTIMIZER,
    name=LadderRung.SYNCHRONIZE,
    what="The clock is read when the device has done the work, not when the last call has returned.",
    synchronized=True,
)
WARM_UP = replace(
    SYNCHRONIZE,
    name="warm-up",
    what="The model is on the device and some steps have run before the clock starts: setup is not counted.",
    warm=True,
)
LOADER_OUT = replace(
    WARM_UP,
    name="loader taken out",
    what="The batches are prepared before the clock starts: reading and converting images is not counted.",
    loader_out=True,
)
RESIDENT = replace(
    LOADER_OUT,
    name="inputs resident",
    what="The batches are on the device before the clock starts: copying them is not counted.",
    resident=True,
)
REPEATED = replace(
    RESIDENT,
    name="repeated",
    what="Many timed blocks until the confidence interval of their median is narrow, instead of one measurement.",
    repeated=True,
)
RUNGS = (AS_IN_TUTORIALS, OWN_OPTIMIZER, SYNCHRONIZE, WARM_UP, LOADER_OUT, RESIDENT, REPEATED)


class Training(Protocol):
    """A training in the parts that the rungs combine; a batch is whatever its loader yields."""

    def place(self) -> None:
        """Move the model to the device: the first use of the device in a script."""
        ...

    def loader(self) -> Iterable[Any]:
        """Batches on the host, each prepared when it is requested."""
        ...

    def copy(self, batch: Any) -> Any:
        """A batch on the device."""
        ...

    def train(self, batch: Any, own_optimizer: bool) -> None:
        """One step, with the model's own optimizer or with that of another model."""
        ...

    def resident(self) -> Callable[[], Any]:
        """A call that does one step without any of the mistakes, on inputs that are already on the device."""
        ...


@dataclass(frozen=True)
class Reading:
    """What a rung reports: seconds per step, their confidence interval if there are repeats, and the steps timed."""

    seconds: float
    interval: Interval | None
    steps: int


def time_rung(
    rung: Rung,
    training: Training,
    device: Device,
    steps: int = STEPS,
    max_time: float = 1.0,
    timer: Callable[[], float] | None = None,
) -> Reading:
    """Time a training on a device as a rung does.

    The first rungs must start cold: ``training`` and ``device`` must not have been used in this process. The last
    rung takes its time from ``measure``, which may take ``max_time`` seconds of samples; the others read
    ``time.time``, the tutorials' clock, before and after ``steps`` steps, or as many as the loader yields. ``timer``
    replaces both clocks.
    """
    if rung.repeated:
        m = measure(training.resident(), device, max_time=max_time, timer=timer or time.perf_counter)
        return Reading(m.median, m.interval, len(m.samples) * m.inner_calls)
    timer = timer or time.time
    loop = _loop(rung, training)
    if rung.warm:
        training.place()
        loop(1 + steps // 10)
        device.synchronize()
    start = timer()
    if not rung.warm:
        training.place()
    done = loop(steps)
    if rung.synchronized:
        device.synchronize()
    seconds = timer() - start
    device.synchronize()  # so that no work is left for the next user of the device
    return Reading(seconds / done, None, done)


def _loop(rung: Rung, training: Training) -> Callable[[int], int]:
    """A call that does a number of steps as a rung does, and returns how many there were."""
    if rung.resident:
        return partial(_repeat, training.resident())
    batches: Callable[[], Iterable[Any]] = training.loader
    if rung.loader_out:
        batches = partial(cycle, list(islice(training.loader(), PREPARED)))

    def go_through(steps: int) -> int:
        done = 0
        for batch in islice(batches(), steps):
            training.train(training.copy(batch), rung.own_optimizer)
            done += 1
        return done

    return go_through


def _repeat(step: Callable[[], Any], steps: int) -> int:
    for _ in range(steps):
        step()
    return steps


def stored(rung: Rung, reading: Reading, device: Device, data: str, *, contended: bool = False) -> LadderRung:
    """A reading in the form that is stored with a run; ``contended`` if other work took the CPU meanwhile.

    Raises ``RecordError`` for a device that is not a real one: a fake device's time must not appear as a measurement.
    """
    return LadderRung(
        device=device.name.partition(":")[0],
        device_model=device.model(),
        threads=torch.get_num_threads(),
        work=f"{WORKLOAD}, batch {BATCH}, fp32",
        data=data,
        rung=rung.name,
        what=rung.what,
        seconds=reading.seconds,
        interval=reading.interval,
        steps=reading.steps,
        contended=contended,
    )


def run_ladder(
    device: str, sources: Sources = NO_SOURCES, steps: int = STEPS, max_time: float = 1.0
) -> tuple[LadderRung, ...]:
    """The whole ladder on ``cpu`` or ``cuda``, each rung in a fresh process.

    Raises ``CaseSkipped`` where processes cannot be forked, and ``RuntimeError`` with the last line that the process
    printed, if it fails.
    """
    arguments = ["--device", device, "--steps", str(steps), "--max-time", str(max_time)]
    arguments += ["--data", str(sources.data)] if sources.data else []
    return rows_of(LadderRung, f"the ladder on {device}", __name__, arguments, TIME_LIMIT)


def ladder_summary(rungs: Sequence[LadderRung]) -> str:
    """The first rung and the last, for a line of progress; no conclusion if a rung is contended."""
    first, last = (f"{text.seconds(rung.seconds)} {rung.rung}" for rung in (rungs[0], rungs[-1]))
    if any(rung.contended for rung in rungs):
        return f"{first}, {last}; {BESIDE_OTHER_WORK}, so no conclusion"
    return f"{first}, {text.seconds(rungs[-1].seconds)} in truth"


def run_rung(rung: Rung, device: str, sources: Sources, steps: int, max_time: float) -> LadderRung:
    """Time one rung of ``DigitsTraining``, on all usable cores, whatever torch's default is."""
    torch.set_num_threads(usable_cpus())
    # With an explicit index, finding the GPU does not use it: its first use must be inside the timed part.
    name = "cuda:0" if device == "cuda" else device
    training, target = DigitsTraining(name, sources), find(name)
    watch = ContentionWatch()
    reading = time_rung(rung, training, target, steps, max_time)
    return stored(rung, reading, target, training.data, contended=watch.contended(torch.get_num_threads()))


def main() -> None:
    """Run each rung in a fork of this process, which must not have used the device, and print it as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bench_core.execution.studies.ladder", description="Prints each rung as JSON."
    )
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--max-time", type=float, default=1.0)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    sources = Sources(data=asked.data)
    import torchvision.datasets  # noqa: F401 - imported once: every rung's process starts as a copy of this one

    for rung in RUNGS:
        timed = forked(run_rung, rung, asked.device, sources, asked.steps, asked.max_time)
        print(json.dumps(asdict(timed)), flush=True)


if __name__ == "__main__":
    main()
