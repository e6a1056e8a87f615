"""What the tests of a run measure: cases, studies, user code."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from bench_core.core.case import SWEEPS, Case

FAMILY = "bench_family"
HARNESS = "bench_harness"
STUDY = "bench_study"


def add_markers(config: pytest.Config) -> None:
    """Describe the markers of this plugin."""
    config.addinivalue_line(
        "markers",
        f"{FAMILY}(name): sweep `case` over the workloads of a family, or of all without a name (bench-core).",
    )
    config.addinivalue_line("markers", f"{HARNESS}: a check of the harness itself, run only when its file is named.")
    config.addinivalue_line(
        "markers",
        f"{STUDY}(name, seconds, workload='', sweep='default', first=False): a study of a workload, or of the "
        "machine, which takes about so many seconds, in every sweep, with sweep='full' in a full one only, with "
        "sweep='' only if asked for; before all cases, or after them (bench-core).",
    )


class Study(NamedTuple):
    """The arguments of the marker of a study; ``sweep`` is empty for a study that is made only if it is asked for. One
    that is ``first`` comes before all cases, others after them."""

    name: str
    seconds: float
    workload: str = ""
    sweep: str = SWEEPS[0]
    first: bool = False


def study_of(item: pytest.Item) -> Study | None:
    """The study that an item makes, if it makes one."""
    marker = item.get_closest_marker(STUDY)
    return Study(*marker.args, **marker.kwargs) if marker else None


def study_item(item: pytest.Item, study: Study) -> str:
    """The name of what a test of a study measures, such as ``ladder-cpu``: the study, its parameters, the device."""
    others = _params(item)
    device = others.pop("bench_device", None)
    parts = (study.name, *others.values(), *([device] if device else []))
    return "-".join(map(str, parts))


def _params(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec else {}


def case_of(item: pytest.Item) -> Case | None:
    """The case of a sweep that an item measures, if it measures one."""
    case = _params(item).get("case")
    return case if isinstance(case, Case) else None


def name_of(item: pytest.Item) -> str | None:
    """The name of an item's case or study."""
    case, study = case_of(item), study_of(item)
    if case:
        return case.id
    return study_item(item, study) if study else None


def measures(item: pytest.Item) -> bool:
    """Whether an item uses the fixture that measures."""
    return "device_benchmark" in getattr(item, "fixturenames", ())
