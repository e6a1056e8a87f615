"""Every released form of stored data stays readable: older data are brought to the present form before they are read.

History of ``schema``:

1. The first. Flags are texts; ``ladder`` and ``learning`` are fields of the run; ``machine`` has ``threads``, which
   always equalled ``usable_cpus``.
2. Flags are a code and a text. Studies are named tables in ``studies``, their items listed in ``studied``; an entry of
   ``not_run`` names the study it is about. Renamed: ``parity.untold`` to ``inconclusive``; of the study ``learning``
   ``tested``, ``reached`` and ``every`` to ``test_size``, ``accuracy`` and ``eval_interval``; new is ``stand_in``.
3. Inference and operators in bf16 and fp16 have weights and inputs stored in the dtype; before, they ran under
   autocast, as the variant ``autocast`` does now. Training in bf16 runs under autocast as before. New is ``casts``.

A new optional field, and a new study, do not raise the number: readers keep fields that they do not know. Whatever
readers must not overlook raises it, gets a function here, and a golden file in ``tests/data/``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bench_core.core.case import HALF_DTYPES, with_autocast
from bench_core.core.modes import Casting
from bench_core.core.results import FlagCode

Json = dict[str, Any]

_FLAGS_OF_1 = (
    ("not steady", FlagCode.NOT_STEADY),
    ("cross-check", FlagCode.CROSS_CHECK),
    ("more threads", FlagCode.TOO_MANY_THREADS),
    ("contention: other work", FlagCode.CONTENTION),
    ("contention: the host", FlagCode.STOLEN_TIME),
    ("this CPU has no bf16", FlagCode.EMULATED_DTYPE),
    ("parity", FlagCode.PARITY_INCONCLUSIVE),
    ("stages", FlagCode.STAGES_DO_NOT_ADD_UP),
)
"""How the texts of schema 1 began, by the code that they have now."""
_STUDIES_OF_1 = ("ladder", "learning")
_LEARNING_OF_1 = {"tested": "test_size", "reached": "accuracy", "every": "eval_interval"}
_TRAININGS_OF_2 = ("mnist_epoch_e2e",)
"""The workloads of schema 2 that trained under another kind than ``train``."""


def upgraded_record(data: Json) -> Json:
    """A record's data in the present form. Data that are not in the form of their schema are left for the reader."""
    return _upgraded(data, _RECORD_STEPS)


def upgraded_run(data: Json) -> Json:
    """The data of a run's own facts in the present form."""
    return _upgraded(data, _RUN_STEPS)


def _upgraded(data: Json, steps: Mapping[int, Callable[[Json], Json]]) -> Json:
    while (step := steps.get(data.get("schema", 0))) is not None:
        data = step(data)
    return data


def _record_from_1(data: Json) -> Json:
    changed = {**data, "schema": 2}
    if isinstance(flags := data.get("flags"), list):
        changed["flags"] = [_flag_of_1(flag) if isinstance(flag, str) else flag for flag in flags]
    if isinstance(parity := data.get("parity"), dict):
        changed["parity"] = _renamed(parity, {"untold": "inconclusive"})
    return changed


def _flag_of_1(words: str) -> Json:
    code = next((code for start, code in _FLAGS_OF_1 if words.startswith(start)), "")
    return {"code": str(code), "text": words}


def _run_from_1(data: Json) -> Json:
    changed = {name: value for name, value in data.items() if name not in _STUDIES_OF_1} | {"schema": 2}
    if isinstance(machine := data.get("machine"), dict):
        changed["machine"] = {name: value for name, value in machine.items() if name != "threads"}
    if isinstance(entries := data.get("not_run"), list):
        changed["not_run"] = [_not_run_of_1(entry) if isinstance(entry, dict) else entry for entry in entries]
    studies = {name: data[name] for name in _STUDIES_OF_1 if data.get(name, []) != []}
    if isinstance(rows := studies.get("learning"), list):
        studies["learning"] = [_learning_of_1(row) if isinstance(row, dict) else row for row in rows]
    items = [f"ladder-{row.get('device')}" for row in _objects(studies.get("ladder"))]
    items += [f"learning-{row.get('workload')}-{row.get('device')}" for row in _objects(studies.get("learning"))]
    return {**changed, "studies": studies, "studied": list(dict.fromkeys(items))}


def _not_run_of_1(entry: Json) -> Json:
    left_out = str(entry.get("what", "")).startswith("learning (")
    return {**entry, "study": "learning"} if left_out else entry


def _learning_of_1(row: Json) -> Json:
    return _renamed(row, _LEARNING_OF_1) | {"stand_in": str(row.get("data", "")).startswith("digits stand-in")}


def _record_from_2(data: Json) -> Json:
    changed = {**data, "schema": 3}
    case = data.get("case")
    if not isinstance(case, dict) or case.get("dtype") not in HALF_DTYPES:
        return changed
    changed["casts"] = {"mode": str(Casting.AUTOCAST)}
    training = data.get("kind") == "train" or case.get("workload") in _TRAININGS_OF_2
    if not training and isinstance(variant := case.get("variant"), str):
        changed["case"] = {**case, "variant": with_autocast(variant)}
    return changed


def _run_from_2(data: Json) -> Json:
    return {**data, "schema": 3}


def _objects(data: Any) -> list[Json]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _renamed(data: Json, names: Mapping[str, str]) -> Json:
    return {names.get(name, name): value for name, value in data.items()}


_RECORD_STEPS: Mapping[int, Callable[[Json], Json]] = MappingProxyType({1: _record_from_1, 2: _record_from_2})
_RUN_STEPS: Mapping[int, Callable[[Json], Json]] = MappingProxyType({1: _run_from_1, 2: _run_from_2})
