"""Measuring over the ranks that torchrun has started, on one node or several."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench_core.core.errors import OptionError

COMMAND = "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint HOST:29400 -m bench_core ranks"


def ranks(
    workload: Annotated[str | None, typer.Option(help="Workloads, as ddp_mlp_train. Default: all.")] = None,
    device: Annotated[str, typer.Option(help="The device of each rank.")] = "cpu",
    variant: Annotated[str | None, typer.Option(help="Variants, as fsdp. Default: eager.")] = None,
    batch_size: Annotated[str | None, typer.Option(help="Batch sizes, of all ranks together.")] = None,
    threads: Annotated[str | None, typer.Option(help="CPU threads a rank. Default: its share of the cores.")] = None,
    max_time: Annotated[str | None, typer.Option(help="Seconds of samples per case.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of stored runs.")] = Path("results"),
    patience: Annotated[float, typer.Option(min=1.0, help="Seconds that ranks wait for each other.")] = 120.0,
) -> None:
    """Measure work over the ranks of torchrun, which starts this command on each of them; the first stores one run.

    The exit code is 1 if a case fails.
    """
    if "GROUP_WORLD_SIZE" not in os.environ:
        raise OptionError(f"ranks: torchrun starts this command on each rank: {COMMAND}")
    from pytest_benchmark.utils import get_machine_id

    from bench_core.execution.nodes import measure_all
    from bench_core.execution.options import InvalidValueError, option, parse
    from bench_core.hardware.machine import fingerprint
    from bench_core.hardware.ranks import BACKENDS, cores_of_each, join

    if device not in BACKENDS:
        raise OptionError(f"ranks: --device {device}: all ranks are on one of: {', '.join(BACKENDS)}")
    size = int(os.environ["WORLD_SIZE"])
    asked = {"workload": workload, "variant": variant, "batch_size": batch_size, "max_time": max_time}
    placed = {"device": device, "ranks": str(size), "threads": threads or str(cores_of_each(size))}
    given = {name: value for name, value in asked.items() if value} | placed
    try:
        request = parse(given, Path.cwd())
    except InvalidValueError as error:
        raise OptionError(f"{option(error.name, prefix='--')}: {error.problem}") from None
    place = join(device, patience)
    folder = out / fingerprint().slug / get_machine_id()  # type: ignore[no-untyped-call]
    finished = measure_all(request, place, folder, Path.cwd(), print if place.rank == 0 else _say_nothing)
    if finished.stored:
        print(f"stored: {finished.stored}")
    place.barrier()  # so that no rank loses a connection that it still needs
    if finished.failed:
        sys.exit(1)


def _say_nothing(_: str) -> None:
    """Only the first rank writes lines."""
