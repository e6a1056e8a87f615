"""A study: what naive timing would have said of a training, mended rung by rung. docs/ladder.md tells why.

``python -m bench_core.execution.studies.ladder --device cpu`` prints a line of JSON for each rung.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import torch

from bench_core.core import text
from bench_core.core.case import DEVICES
from bench_core.core.schema import as_dataclass
from bench_core.core.stats import Interval
from bench_core.core.studies import LadderRung
from bench_core.execution.studies.tutorial import BATCH, WORKLOAD, DigitsTraining
from bench_core.hardware.device import Device, find
from bench_core.hardware.machine import usable_cpus
from bench_core.timing.sampling import measure

STEPS = 200
"""Steps in a rung's loop. What comes once, such as the first call, weighs the more the fewer there are."""
PREPARED = 8
"""Host batches used in turn where the loader is taken out; as many as the workload keeps on the device."""
TIME_LIMIT = 600


@dataclass(frozen=True)
class Rung:
    """A way to time a training: its name, what it mends in words, and which mistakes it no longer makes."""

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
    name="synchronize",
    what="The clock is read when the device has done the work, not when the last call has returned.",
    synchronized=True,
)
WARM_UP = replace(
    SYNCHRONIZE,
    name="warm-up",
    what="The model lies on the device and some steps are made before the clock starts: set-up is not counted.",
    warm=True,
)
LOADER_OUT = replace(
    WARM_UP,
    name="loader taken out",
    what="The batches are made before the clock starts: reading and preparing images is not counted.",
    loader_out=True,
)
RESIDENT = replace(
    LOADER_OUT,
    name="inputs resident",
    what="The batches lie on the device already: copying them there is not counted.",
    resident=True,
)
REPEATED = replace(
    RESIDENT,
    name="repeated",
    what="Many timed blocks until the interval of their median is narrow, in place of one measurement.",
    repeated=True,
)
RUNGS = (AS_IN_TUTORIALS, OWN_OPTIMIZER, SYNCHRONIZE, WARM_UP, LOADER_OUT, RESIDENT, REPEATED)


class Training(Protocol):
    """A training in the parts that the rungs put together; a batch is whatever its loader yields."""

    def place(self) -> None:
        """Move the model to the device: the first thing that a script asks of it."""
        ...

    def loader(self) -> Iterable[Any]:
        """Batches on the host, each made when it is asked for."""
        ...

    def copy(self, batch: Any) -> Any:
        """A batch on the device."""
        ...

    def train(self, batch: Any, own_optimizer: bool) -> None:
        """One step, with the model's own optimizer or with that of another model."""
        ...

    def resident(self) -> Callable[[], Any]:
        """A call that makes one step, right in all respects, on inputs that lie on the device."""
        ...


@dataclass(frozen=True)
class Reading:
    """What a rung says: seconds per step, their interval where there are repeats, and the steps that were timed."""

    seconds: float
    interval: Interval | None
    steps: int


def time_rung(
    rung: Rung,
    training: Training,
    device: Device,
    steps: int = STEPS,
    max_time: float = 1.0,
    timer: Callable[[], float] = time.time,
) -> Reading:
    """Time a training on a device in the way of a rung.

    The first rungs are meant to be cold: ``training`` and ``device`` must not have been used in this process. The last
    rung takes its time from ``measure``, which may take ``max_time`` seconds of samples; the others read ``timer``
    (the tutorials' clock) before and after ``steps`` steps, or as many as the loader yields.
    """
    if rung.repeated:
        m = measure(training.resident(), device, max_time=max_time)
        return Reading(m.median, m.interval, len(m.samples) * m.inner_calls)
    loop = _loop(rung, training)
    if rung.warm:
        training.place()
        loop(1 + steps // 10)
        device.synchronize()
    start = timer()
    if not rung.warm:
        training.place()
    made = loop(steps)
    if rung.synchronized:
        device.synchronize()
    seconds = timer() - start
    device.synchronize()  # so that nothing is left to whoever uses the device next
    return Reading(seconds / made, None, made)


def _loop(rung: Rung, training: Training) -> Callable[[int], int]:
    """A call that makes so many steps in the way of a rung, and returns how many there were."""
    if rung.resident:
        return partial(_repeat, training.resident())
    batches: Callable[[], Iterable[Any]] = training.loader
    if rung.loader_out:
        batches = partial(cycle, list(islice(training.loader(), PREPARED)))

    def go_through(steps: int) -> int:
        made = 0
        for batch in islice(batches(), steps):
            training.train(training.copy(batch), rung.own_optimizer)
            made += 1
        return made

    return go_through


def _repeat(step: Callable[[], Any], steps: int) -> int:
    for _ in range(steps):
        step()
    return steps


def stored(rung: Rung, reading: Reading, device: Device, data: str) -> LadderRung:
    """A reading in the form that is stored with a run.

    Raises ``RecordError`` for a device that is no real one: what a stand-in took is not to be shown as a measurement.
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
    )


def run_ladder(
    device: str, data_dir: Path | None = None, steps: int = STEPS, max_time: float = 1.0
) -> tuple[LadderRung, ...]:
    """The whole ladder on ``cpu`` or ``cuda``, each rung in a process that has done nothing before.

    Raises ``RuntimeError`` with what the process said last, if it fails.
    """
    command = [sys.executable, "-m", __name__, "--device", device, "--steps", str(steps), "--max-time", str(max_time)]
    command += ["--data", str(data_dir)] if data_dir else []
    # From a checkout that is not installed, this package is found only from its own folder.
    paths = (str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", ""))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=TIME_LIMIT)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(f"the ladder on {device} failed: {last}")
    return tuple(as_dataclass(LadderRung, json.loads(line))[0] for line in done.stdout.splitlines() if line[:1] == "{")


def ladder_summary(rungs: Sequence[LadderRung]) -> str:
    """The first rung and the last, for a line of progress."""
    return f"{text.seconds(rungs[0].seconds)} {rungs[0].rung}, {text.seconds(rungs[-1].seconds)} in truth"


def run_rung(rung: Rung, device: str, data_dir: Path | None, steps: int, max_time: float) -> LadderRung:
    """Time one rung of ``DigitsTraining``; on all usable cores, whatever torch would choose."""
    torch.set_num_threads(usable_cpus())
    # A GPU that is named by its number need not be asked which one is meant: its first use is to be timed.
    name = "cuda:0" if device == "cuda" else device
    training, found = DigitsTraining(name, data_dir), find(name)
    return stored(rung, time_rung(rung, training, found, steps, max_time), found, training.data)


def main() -> None:
    """Climb the ladder in this process, which must not have used the device, and print each rung as JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m {__name__}", description="Prints each rung as JSON.")
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--max-time", type=float, default=1.0)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    import torchvision.datasets  # noqa: F401 - once, as every rung's process begins as a copy of this one

    for rung in RUNGS:
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as fresh:
            timed = fresh.submit(run_rung, rung, asked.device, asked.data, asked.steps, asked.max_time).result()
        print(json.dumps(asdict(timed)), flush=True)


if __name__ == "__main__":
    main()
