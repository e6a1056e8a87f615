"""Figures and comparisons as tables for further work: pandas DataFrames, times in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench_core.analysis.comparison import Comparison, Result


def records_frame(figures: Iterable[Result]) -> pd.DataFrame:
    """One row a figure."""
    return pd.DataFrame([_figure_row(figure) for figure in figures])


def speedups_frame(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row a comparison: the ratio with its interval and verdict, and both sides with their absolute times."""
    columns = [*_comparison_row(None), *_side_row("base", None), *_side_row("contender", None), "notes"]
    rows = [
        _comparison_row(c)
        | _side_row("base", c.base)
        | _side_row("contender", c.contender)
        | {"notes": "; ".join(c.notes)}
        for c in comparisons
    ]
    return pd.DataFrame(rows, columns=columns)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write with six significant digits, one newline a row on every system."""
    frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def _figure_row(figure: Result) -> dict[str, Any]:
    record, timing, latency = figure.record, figure.record.timing, figure.record.timing.latency
    parity = record.parity
    low, high = figure.interval or (None, None)
    return {
        "workload": figure.case.workload,
        "family": record.family,
        "setting": figure.case.setting,
        "device": figure.case.device,
        "batch_size": figure.case.batch_size,
        "dtype": figure.case.dtype,
        "variant": figure.case.variant,
        "caches": figure.case.caches,
        "threads": record.threads,
        "machine": figure.machine.label,
        "device_model": record.device_model,
        "torch": figure.machine.torch,
        "data": record.data,
        "unit": record.unit,
        "units_per_call": record.units,
        "seconds_per_unit": record.per_unit,
        "seconds_per_unit_low": low,
        "seconds_per_unit_high": high,
        "confidence": timing.confidence,
        "units_per_second": record.throughput,
        "samples": timing.count,
        "relative_half_width": timing.rel_half_width,
        "target": timing.rel_ci,
        "met_target": timing.met_target,
        "cold_start_seconds": timing.cold_start,
        "latency_p50_seconds": latency and latency.p50,
        "latency_p95_seconds": latency and latency.p95,
        "latency_p99_seconds": latency and latency.p99,
        "peak_memory_bytes": record.peak_memory,
        "parity_quantity": parity and parity.quantity,
        "parity_error": parity and parity.error,
        "parity_tolerance": parity and parity.tolerance,
        "flags": "; ".join(flag.text for flag in record.flags),
        "run_id": figure.info.run_id,
        "started": figure.info.started,
        "partial_run": figure.info.partial,
    }


def _comparison_row(c: Comparison | None) -> dict[str, Any]:
    low, high = (c and c.interval) or (None, None)
    return {
        "comparison": c and c.kind,
        "workload": c and c.case.workload,
        "setting": c and c.case.setting,
        "ratio": c and c.ratio,
        "ratio_low": low,
        "ratio_high": high,
        "verdict": c and str(c.verdict),
        "across_machines": c and c.across_machines,
    }


def _side_row(side: str, figure: Result | None) -> dict[str, Any]:
    row = {} if figure is None else _figure_row(figure)
    names = (
        "device", "batch_size", "dtype", "variant", "caches", "threads", "seconds_per_unit", "seconds_per_unit_low",
        "seconds_per_unit_high", "samples", "met_target", "device_model", "machine", "run_id",
    )  # fmt: skip
    return {f"{side}_{name}": row.get(name) for name in names}
