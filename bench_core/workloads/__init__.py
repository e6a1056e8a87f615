"""The registry of workloads: every ``Workload`` in a module of this package is discovered automatically.

The families (``dense``, ``vision``, ``adversarial``, ``series``, ``attention``, ``pipelines``) are built with ``kit``
from ``data``. May import ``hardware`` and ``core``; does not use timing or storage.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from bench_core.core.case import NO_SOURCES, Case, Sources
from bench_core.core.errors import CaseError, DefinitionError
from bench_core.workloads.kit import Step, Workload, building

NOT_FAMILIES = ("data", "kit")


@cache
def registry() -> Mapping[str, Workload]:
    """All workloads by name, in the order of their files and, within a file, of their definitions."""
    workloads: dict[str, Workload] = {}
    for module in _modules(__path__, __name__):
        for value in vars(import_module(module)).values():
            if isinstance(value, Workload) and workloads.setdefault(value.name, value) is not value:
                raise DefinitionError(f"workload {value.name}: declared twice, the second time in {module}")
    return MappingProxyType(workloads)


def _modules(paths: list[str], package: str) -> Iterator[str]:
    for module in pkgutil.iter_modules(paths):
        name = f"{package}.{module.name}"
        if module.ispkg and module.name not in NOT_FAMILIES:
            yield from _modules([str(Path(path) / module.name) for path in paths], name)
        elif not module.ispkg:
            yield name


def names() -> list[str]:
    """The names of all workloads."""
    return list(registry())


def get(name: str) -> Workload:
    """The workload of this name. Raises ``CaseError`` (a ``ValueError``), which lists the names, if there is none."""
    if name not in registry():
        raise CaseError(f"no workload {name!r}; there are: {', '.join(names())}")
    return registry()[name]


def build(case: Case, *, sources: Sources = NO_SOURCES) -> Step:
    """Build a case into a step that is ready to call.

    ``sources`` is what the user brings, such as real data. Raises ``CaseError`` (a ``ValueError``) if the case names
    something that does not exist, and lists what exists.
    """
    return building.build(get(case.workload), case, sources=sources)
