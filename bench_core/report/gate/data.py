"""The result of a gate as JSON for programs; docs/ci.md describes the fields."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench_core.analysis.gate.result import GateResult
from bench_core.analysis.gate.verdicts import CaseVerdict, Change
from bench_core.core.pairs import Pair
from bench_core.core.version import __version__
from bench_core.report.gate import words

SCHEMA = 1
"""Raised when a field is renamed, removed or changes its meaning. New fields do not raise it."""


def as_json(result: GateResult, pairs: Mapping[str, Sequence[Pair]]) -> str:
    """The result, and what each pair of processes measured, as JSON text."""
    data = {
        "schema": SCHEMA,
        "bench_core": __version__,
        "base": result.base,
        "head": result.head,
        "machine": result.machine,
        "pairs": result.pairs,
        "seconds": round(result.seconds, 3),
        "budget": result.budget,
        "interrupted": result.interrupted,
        "counts": {str(verdict): count for verdict, count in result.counts.items()},
        "exit_code": result.exit_code,
        "cases": [_case(case, pairs.get(case.id, ())) for case in result.ordered],
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def _case(case: CaseVerdict, pairs: Sequence[Pair]) -> dict[str, Any]:
    return {
        "id": case.id,
        "name": case.name,
        "verdict": str(case.verdict),
        "remark": words.remark(case) or None,
        "trouble": case.trouble and asdict(case.trouble),
        "time": _change(case.time),
        "memory": _change(case.memory),
        "pairs": [asdict(pair) for pair in pairs],
    }


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    ends = [end if 0.0 < end < math.inf else None for end in change.interval]
    return {
        "verdict": str(change.verdict),
        "ratio": change.ratio,
        "interval": ends,
        "base": change.base,
        "head": change.head,
        "margin": change.margin,
    }
