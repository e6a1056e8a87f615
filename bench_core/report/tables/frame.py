"""Results and comparisons as pandas DataFrames, to be analyzed further; times are in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from bench_core.analysis.causes import Cause, Key
from bench_core.analysis.comparison import Comparison, Result
from bench_core.analysis.gpu_bounds import Potential
from bench_core.analysis.regimes import Regime
from bench_core.analysis.scaling import bus_bandwidth
from bench_core.core.results import CPU_PACKAGES, GPU_BOARD
from bench_core.report.prices import NO_PRICES, Prices, price_per_million
from bench_core.report.tables.cause_columns import BOUND_BY, PARTS

NO_CAUSES: Mapping[Key, Cause] = MappingProxyType({})


def records_frame(
    results: Iterable[Result], causes: Mapping[Key, Cause] = NO_CAUSES, prices: Prices = NO_PRICES
) -> pd.DataFrame:
    """One row per result, with what it is bound by and what it costs, where that is known."""
    rows = [
        _result_row(r) | _cost_row(r, prices) | _cause_row(r, causes.get((r.machine.hardware, r.case))) for r in results
    ]
    return pd.DataFrame(rows)


def bounds_frame(potentials: Iterable[Potential]) -> pd.DataFrame:
    """One row per case and GPU: the upper bound of the speedup, and the least seconds of each part of the work."""
    rows = [
        {
            name: value
            for name, value in _result_row(potential.cause.result).items()
            if name in ("workload", "setting", "batch_size", "dtype", "variant", "threads", "machine", "run_id")
        }
        | {"cpu_seconds_per_call": potential.cause.figures.seconds, "gpu": bound.gpu, "speedup_bound": bound.speedup}
        | {f"{part}_seconds": seconds for part, seconds in bound.parts.items()}
        | {"limited_by": bound.limit}
        for potential in potentials
        for bound in potential.bounds
    ]
    return pd.DataFrame(rows)


def speedups_frame(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per comparison: the ratio with its interval and verdict, and both sides with their absolute times."""
    columns = [*_comparison_row(None), *_side_row("base", None), *_side_row("contender", None), "notes"]
    rows = [
        _comparison_row(c)
        | _side_row("base", c.base)
        | _side_row("contender", c.contender)
        | {"notes": "; ".join(c.remarks)}
        for c in comparisons
    ]
    return pd.DataFrame(rows, columns=columns)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write with six significant digits, the same line ends on every system."""
    frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def _result_row(result: Result) -> dict[str, Any]:
    record, timing, latency = result.record, result.record.timing, result.record.timing.latency
    parity, compilation, casts = record.parity, record.compilation, record.casts
    low, high = result.interval or (None, None)
    return {
        "workload": result.case.workload,
        "family": record.family,
        "setting": result.case.setting,
        "device": result.case.device,
        "batch_size": result.case.batch_size,
        "dtype": result.case.dtype,
        "variant": result.case.variant,
        "caches": result.case.caches,
        "threads": record.threads,
        "ranks": result.case.ranks,
        "nodes": result.case.ranks and result.case.nodes,
        "hosts": record.ranks and len(set(record.ranks.hosts)),
        "rank_spread": record.ranks and record.ranks.spread,
        "communication_share": record.ranks and record.ranks.communication,
        "bus_bytes_per_second": bus_bandwidth(record),
        "machine": result.machine.label,
        "device_model": record.device_model,
        "torch": result.machine.torch,
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
        "peak_host_memory_bytes": record.peak_host_memory,
        "parity_quantity": parity and parity.quantity,
        "parity_error": parity and parity.error,
        "parity_tolerance": parity and parity.tolerance,
        "compile_seconds": compilation and compilation.seconds,
        "compiled_graphs": compilation and compilation.graphs,
        "graph_breaks": compilation and compilation.graph_breaks,
        "compiled_share": compilation and compilation.share,
        "casting": casts and str(casts.mode),
        "cast_weights": casts and casts.weights,
        "cast_others": casts and casts.others,
        "contended": record.contended,
        "flags": "; ".join(flag.text for flag in record.flags),
        "run_id": result.info.run_id,
        "started": result.info.started,
        "partial_run": result.info.partial,
    }


def _cost_row(result: Result, prices: Prices) -> dict[str, Any]:
    """Joules by what is included, and the price."""
    joules = {energy.boundary: energy.per_call / result.record.units for energy in result.record.energy}
    return {
        "cpu_joules_per_unit": joules.get(CPU_PACKAGES),
        "gpu_joules_per_unit": joules.get(GPU_BOARD),
        "price_per_million_units": price_per_million(result, prices),
    }


def _cause_row(result: Result, cause: Cause | None) -> dict[str, Any]:
    """What a call does and is bound by; times are per call."""
    counts = result.record.counts
    row = {
        "flops_per_call": result.record.flops,
        "operators_per_call": counts and counts.operators,
        "kernels_per_call": result.record.kernels,
        "bytes_read_per_call": counts and counts.bytes_read,
        "bytes_written_per_call": counts and counts.bytes_written,
        "bytes_moved_per_call": counts and counts.bytes_moved,
        "footprint_bytes": counts and counts.footprint,
        "bound_by": cause and BOUND_BY[cause.bound.regime],
        "share_of_ceiling": cause and cause.share,
        "flops_per_second": cause and cause.flops_per_second,
        "bytes_per_second": cause and cause.bytes_per_second,
    }
    parts = {f"{BOUND_BY[part]}_seconds": cause and cause.bound.parts.get(part) for part in Regime if part in PARTS}
    return row | parts


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


def _side_row(side: str, result: Result | None) -> dict[str, Any]:
    row = {} if result is None else _result_row(result)
    names = (
        "device", "batch_size", "dtype", "variant", "caches", "threads", "seconds_per_unit", "seconds_per_unit_low",
        "seconds_per_unit_high", "samples", "met_target", "contended", "device_model", "machine", "run_id",
    )  # fmt: skip
    return {f"{side}_{name}": row.get(name) for name in names}
