"""Starts the ranks of a case with torch's elastic launcher, and finds out which of them failed first, and how."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench_core.execution.endings import ending

if TYPE_CHECKING:
    from torch.distributed.launcher.api import LaunchConfig

RANK = "bench_core.execution.rank"
"""The module of a rank's process."""
GRACE = 5.0
"""Seconds that the other ranks have to end, once one has reported a failure, before they are killed: the launcher would
wait for 30."""
INTERVAL = 1.0
"""Seconds between two looks at the ranks; each wakes this process up while they are measured."""


@dataclass(frozen=True)
class Exit:
    """How the process of a rank ended that failed: its exit code, below 0 for a signal, and when it was noticed."""

    code: int
    at: float


@dataclass(frozen=True)
class Report:
    """What a rank reports that failed: when, and whether it had waited for another as long as it may."""

    at: float
    waited: bool


def launch(folder: Path, ranks: int, failed: Callable[[], bool]) -> Mapping[int, Exit]:
    """Run the task in a folder on so many ranks of this machine, and return those that failed. All have ended then.

    ``failed`` says whether a rank has reported a failure.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    ended = threading.Event()
    threading.Thread(target=_end_others, args=(failed, ended), daemon=True).start()
    try:
        elastic_launch(_config(folder, ranks), sys.executable)("-P", "-m", RANK, str(folder))
    except ChildFailedError as error:
        return {rank: Exit(failure.exitcode, failure.timestamp) for rank, failure in error.failures.items()}
    finally:
        ended.set()
    return {}


def _config(folder: Path, ranks: int) -> LaunchConfig:
    """The launch of so many ranks on this machine, once."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        logs_specs=DefaultLogsSpecs(str(folder / "logs")),  # by default a folder that nobody deletes
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=INTERVAL,
    )


def _end_others(failed: Callable[[], bool], ended: threading.Event) -> None:
    """Once a rank has reported a failure, kill those that do not end, even if they are stopped."""
    while not failed():
        if ended.wait(INTERVAL):
            return
    if not ended.wait(GRACE):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def failed_first(ranks: int, exits: Mapping[int, Exit], reports: Mapping[int, Report]) -> int | str:
    """The rank whose report tells why the case failed, or the reason itself if no report does.

    A rank that dies takes the others with it: they lose their connection, and report that. A rank that hangs lets them
    wait. So the first to look for are those without a report.
    """
    first = min(reports, key=lambda rank: reports[rank].at, default=None)
    silent = [rank for rank in range(ranks) if rank not in reports]
    if silent and any(report.waited for report in reports.values()):
        return f"{_named(silent, ranks)} did not answer in time"
    soon = (math.inf if first is None else reports[first].at) + GRACE / 2
    for rank in silent:
        end = exits.get(rank)
        if end and end.code != -signal.SIGTERM and end.at < soon:  # later, the launcher did it
            return f"{_named([rank], ranks)}: {ending(end.code)}"
    return "its ranks ended without a result" if first is None else first


def _named(those: list[int], ranks: int) -> str:
    return f"rank {', '.join(map(str, those))} of {ranks}"
