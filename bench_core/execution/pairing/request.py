"""What a gate is to compare: its sides, from the options of the command line."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_core.core.errors import GateError, OptionError
from bench_core.execution.pairing.sides import Side, checked_out, commit, repository
from bench_core.storage.naming import SHOWN

HERE = "."


@dataclass(frozen=True)
class Compared:
    """What differs between base and head: revisions (``.`` is the working tree), or the interpreter or options of base.

    At least one must differ from head, which runs with this interpreter and without further options.
    """

    base: str | None = None
    head: str = HERE
    base_python: str | None = None
    base_options: str = ""


@contextlib.contextmanager
def sides(compared: Compared, folder: Path) -> Iterator[tuple[Side, Side]]:
    """The two sides, as seen from a folder; revisions are checked out meanwhile. Raises ``OptionError``, and
    ``GateError`` if a side does not have the folder."""
    if os.name != "posix":
        raise OptionError("gate: needs a system that can stop processes (Linux, macOS)")
    if compared.base is None and not compared.base_python and not compared.base_options:
        raise OptionError("gate: nothing to compare with; give --base REVISION, --base-python or --base-options")
    folder = folder.resolve()
    revisions = {"base": compared.base or HERE, "head": compared.head}
    wanted = {name: revision for name, revision in revisions.items() if revision != HERE}
    top = repository(folder) if wanted else folder
    commits = {name: commit(folder, revision) for name, revision in wanted.items()}
    python = _interpreter(compared.base_python)
    with checked_out(top, commits) as folders:
        here = folder.relative_to(top)
        own = {
            "base": (python, tuple(shlex.split(compared.base_options))),
            "head": (sys.executable, ()),
        }
        base, head = (
            Side(
                name=name,
                title=_title(revisions[name], commits.get(name), own[name], compared),
                folder=folders[name] / here if name in folders else folder,
                python=own[name][0],
                options=own[name][1],
                avoid=top if name in folders and not folders[name].is_relative_to(top) else None,
                repository=top if wanted else None,
            )
            for name in ("base", "head")
        )
        for side in (base, head):
            if not side.folder.is_dir():
                raise GateError(f"{side.name}: {side.title} has no folder {here}")
        yield base, head


def _interpreter(python: str | None) -> str:
    if python is None:
        return sys.executable
    path = Path(python).expanduser().absolute()  # not resolved: a virtual environment's is a link
    if not path.is_file() or not path.stat().st_mode & 0o111:  # os.access does not know of capabilities
        raise OptionError(f"--base-python: {python} is not an interpreter; name a file such as .venv/bin/python")
    return str(path)


def _title(revision: str, hexsha: str | None, own: tuple[str, tuple[str, ...]], compared: Compared) -> str:
    """What a side is, for people."""
    parts = ["the working tree" if hexsha is None else _shown(revision, hexsha)]
    if compared.base_python:
        parts.append(f"with {own[0]}")
    if compared.base_options:
        parts.append(f"with {shlex.join(own[1])}" if own[1] else "without further options")
    return " ".join(parts)


def _shown(revision: str, hexsha: str) -> str:
    """A revision with its commit, of which it may be the hash itself."""
    return hexsha[:SHOWN] if hexsha.startswith(revision) else f"{revision} ({hexsha[:SHOWN]})"
