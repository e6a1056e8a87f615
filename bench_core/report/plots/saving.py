"""Draws the plots of a report into files, many of them in several processes: matplotlib takes a quarter of a second for
each. ``python -m bench_core.report.plots.saving`` is such a process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench_core.report.plots import draw
from bench_core.report.plots.chart_types import Chart
from bench_core.report.plots.charts import Plot

Job = tuple[Chart, Path, Path]
"""A chart, and the paths of its SVG and PNG."""
SHARE = 16
"""A further process is worth its start for this many plots."""
MOST = 4


def save_all(plots: Sequence[Plot], folder: Path) -> Mapping[str, bytes]:
    """Draw all plots into a folder; the SVG of each by its name."""
    jobs: list[Job] = [(plot.chart, folder / f"{plot.name}.svg", folder / f"{plot.name}.png") for plot in plots]
    count = max(1, min(MOST, _cores(), len(jobs) // SHARE))
    own, *others = (jobs[first::count] for first in range(count))
    with ExitStack() as stack:
        helpers = [stack.enter_context(_ended(_helper(share))) for share in others]
        _save(own)
        for share, helper in zip(others, helpers, strict=True):
            if helper.wait() != 0:
                _save(share)  # an error, such as a full disk, happens here again
    return {plot.name: (folder / f"{plot.name}.svg").read_bytes() for plot in plots}


def _save(jobs: Iterable[Job]) -> None:
    for job in jobs:
        draw.save(*job)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _helper(jobs: Sequence[Job]) -> subprocess.Popen[bytes]:
    """A process that draws these plots."""
    with tempfile.TemporaryFile() as file:
        pickle.dump(jobs, file)
        file.seek(0)
        return subprocess.Popen(
            [sys.executable, "-m", "bench_core.report.plots.saving"],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End a process when the block ends."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    _save(pickle.load(sys.stdin.buffer))
