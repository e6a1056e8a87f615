"""The GPU of another machine as the other side, where the machines at hand have none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench_core.core.ceilings import Ceilings
from bench_core.core.records import Record, Run


def other_side(runs: Sequence[Run], reference: Iterable[Run]) -> tuple[Run, ...]:
    """The reference runs of machines with a GPU, reduced to what is about the GPU: its results and its ceilings.

    Empty if one of the runs at hand has results of a GPU. Emulated GPUs and the machines at hand do not count.
    """
    if any(map(_on_gpu, (record for run in runs for record in run.records))):
        return ()
    own = {run.info.machine.hardware for run in runs}
    others = (run for run in reference if run.info.machine.hardware not in own and not run.info.machine.emulated)
    return tuple(_gpu_alone(run) for run in others if any(map(_on_gpu, run.records)))


def _on_gpu(record: Record) -> bool:
    return record.case.device_type != "cpu"


def _gpu_alone(run: Run) -> Run:
    ceilings = tuple(row for row in run.info.studies.get(Ceilings.STUDY, ()) if row.get("device") != "cpu")
    info = replace(run.info, studies={Ceilings.STUDY: ceilings} if ceilings else {}, studied=(), not_run=())
    return replace(run, info=info, records=tuple(filter(_on_gpu, run.records)))
