"""The CSV files beside the page; docs/history.md describes their columns."""

from __future__ import annotations

from pathlib import Path

from bench_core.analysis.history.steps import Findings, Step
from bench_core.storage import values_csv

STEP_COLUMNS = (
    *values_csv.SERIES, *values_csv.ORIGIN, "previous_commit", "previous_run", "ratio", "ratio_low", "ratio_high",
    "before", "after", "confidence", "candidate", "recovery", "undone_started", "undone_commit",
)  # fmt: skip


def write_values(findings: Findings, path: Path) -> None:
    """All values of all series, which ``bench-core history`` reads again."""
    values_csv.write(path, (value for of in findings.series for value in of.series.values))


def write_steps(findings: Findings, path: Path) -> None:
    """All steps, those of a series in order of time."""
    values_csv.write_table(path, STEP_COLUMNS, (_cells(step) for of in findings.series for step in of.steps))


def _cells(step: Step) -> tuple[object, ...]:
    point = step.point
    return (
        *values_csv.series_cells(step.series.id), *values_csv.origin_cells(step.first),
        step.previous.commit, step.previous.run, point.ratio, *point.interval, point.before, point.after,
        point.confidence, point.candidate, step.recovery,
        step.undone.started if step.undone else None, step.undone.commit if step.undone else None,
    )  # fmt: skip
