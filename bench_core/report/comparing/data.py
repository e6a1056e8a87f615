"""The comparison of two runs as JSON for programs; docs/compare.md describes the fields."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from bench_core.analysis.comparison import TOLERANCE, Comparison, Result
from bench_core.analysis.run_comparison import RunComparison
from bench_core.core.case import Case
from bench_core.core.records import NotRun, Run
from bench_core.core.version import __version__
from bench_core.report.comparing.named import NamedComparison
from bench_core.storage.naming import Named

SCHEMA = 1
"""Raised when a field is renamed, removed or changes its meaning. New fields do not raise it."""


def as_json(c: NamedComparison) -> str:
    """The comparison as JSON text."""
    return json.dumps(as_data(c), indent=2, allow_nan=False) + "\n"


def as_data(c: NamedComparison) -> dict[str, Any]:
    """The comparison as JSON data."""
    runs = c.runs
    without_base, without_head = runs.without_figure
    return {
        "schema": SCHEMA,
        "bench_core": __version__,
        "tolerance": TOLERANCE,
        "fail_above": runs.limit,
        "base": _side(c.base, runs.base, without_base),
        "head": _side(c.head, runs.head, without_head),
        "counts": {str(verdict): count for verdict, count in runs.counts.items()},
        "above_limit": [row.case.id for row in runs.too_slow],
        "cases": [_row(runs, row) for row in runs.rows],
        "only_in_base": list(map(_case, runs.only_base)),
        "only_in_head": list(map(_case, runs.only_head)),
    }


def _side(named: Named, run: Run, without_figure: tuple[NotRun, ...]) -> dict[str, Any]:
    info = run.info
    return {
        "name": named.name,
        "path": str(named.path),
        "run_id": info.run_id,
        "started": info.started,
        "commit": info.commit,
        "dirty": info.dirty,
        "partial": info.partial,
        "bench_core": info.version,
        "hardware": info.machine.hardware,
        "software": info.machine.software,
        "skipped": [*named.notes, *run.skipped],
        "without_figure": [
            {"what": entry.what, "outcome": str(entry.outcome), "reason": entry.reason} for entry in without_figure
        ],
    }


def _row(runs: RunComparison, row: Comparison) -> dict[str, Any]:
    return _case(row.case) | {
        "verdict": str(row.verdict),
        "reason": row.why_unclear or None,
        "ratio": row.ratio,
        "interval": row.interval,
        "above_limit": runs.is_too_slow(row),
        "notes": list(row.notes),
        "base": _figure(row.base),
        "head": _figure(row.contender),
    }


def _case(case: Case) -> dict[str, Any]:
    return {"case": case.id, **asdict(case)}


def _figure(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    record, timing = result.record, result.record.timing
    return {
        "seconds": timing.median,
        "interval": timing.interval,
        "confidence": timing.confidence,
        "samples": timing.count,
        "unit": record.unit,
        "units": record.units,
        "flags": [{"code": str(flag.code), "text": flag.text} for flag in record.flags],
    }
