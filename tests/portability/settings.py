"""The settings in which the suite must work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

X86 = ("x86_64", "AMD64")


@dataclass(frozen=True)
class Setting:
    """A setting in which the tests and a sweep are run.

    ``environment`` is added to the user's, and ``wrapper`` starts the commands. ``columns`` is the width of the
    terminal; without it there is none. ``folder`` names a folder for a copy of the checkout, to run in. With
    ``other_user`` a user runs it who is not root and whose home cannot be written to. ``python`` is a version of Python
    whose environment is made and deleted afterwards. ``processors`` are those that know the setting; empty: all.
    """

    name: str
    about: str
    environment: Mapping[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()
    columns: int | None = None
    folder: str | None = None
    other_user: bool = False
    python: str | None = None
    processors: tuple[str, ...] = ()


def _first_cpu() -> str:
    return str(min(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else "0"


def _isa(name: str) -> Setting:
    about = f"oneDNN uses no instructions beyond {name}"
    return Setting(f"onednn-{name.lower()}", about, {"ONEDNN_MAX_CPU_ISA": name}, processors=X86)


def _terminal(columns: int) -> Setting:
    return Setting(f"columns-{columns}", f"in a terminal of {columns} columns", columns=columns)


def _python(version: str) -> Setting:
    return Setting(f"python-{version}", f"Python {version}, in an environment of its own", python=version)


C_LOCALE = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}

SETTINGS = (
    Setting("no-terminal", "input and output are no terminal"),
    *map(_terminal, (60, 120, 200)),
    _isa("AVX2"),
    _isa("SSE41"),
    Setting("aten-default", "torch uses no vector instructions of its own", {"ATEN_CPU_CAPABILITY": "default"}),
    Setting("locale-c", "the locale C", C_LOCALE),
    Setting("ascii", "the locale C without Python's UTF-8 mode", C_LOCALE | {"PYTHONUTF8": "0"}),
    Setting("space", "in a folder with a space in its name", folder="a folder"),
    Setting("other-user", "a user who is not root, with a read-only home", folder="theirs", other_user=True),
    Setting("one-core", "one usable core", wrapper=("taskset", "--cpu-list", _first_cpu())),
    *map(_python, ("3.11", "3.12", "3.13")),
)
