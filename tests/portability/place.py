"""Where a setting is run: the folder, the user and the Python, made for it and deleted afterwards."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.portability.settings import Setting
from tests.portability.steps import Step

if TYPE_CHECKING:
    import pwd

CHECKOUT = Path(__file__).parents[2]
USER = "nobody"
ROOM = 8 * 2**30
"""Bytes that a new environment needs, with what pip unpacks on the way."""
CLEARED = frozenset(
    (
        *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "COLUMNS", "LINES", "LC_ALL", "PYTHONUTF8", "PYTEST_ADDOPTS"),
        *("MAKEFLAGS", "MFLAGS", "MAKELEVEL"),
    )
)
"""Variables of the user's environment that would decide what a setting is to decide."""
CACHES = frozenset(("BENCH_CORE_CACHE", "XDG_CACHE_HOME"))


class UnavailableError(Exception):
    """A setting that cannot be had on this machine; the message is the reason."""


@dataclass(frozen=True)
class Place:
    """The folder of a checkout, a folder for what is written, the Python, the environment, and what starts a command.

    ``install`` are the steps that make the Python's environment.
    """

    root: Path
    out: Path
    python: str
    environment: dict[str, str]
    wrapper: tuple[str, ...]
    install: tuple[Step, ...] = ()


@contextlib.contextmanager
def prepared(setting: Setting) -> Iterator[Place]:
    """A setting's place. Raises ``UnavailableError`` where the setting cannot be had."""
    _check(setting)
    temporary = Path(tempfile.mkdtemp(prefix="portability-"))
    temporary.chmod(0o755)  # another user goes through it
    try:
        yield _place(setting, temporary)
    finally:
        _delete(temporary)


def _check(setting: Setting) -> None:
    if setting.processors and platform.machine() not in setting.processors:
        raise UnavailableError(f"not a setting of {platform.machine()} processors")
    if setting.wrapper and shutil.which(setting.wrapper[0]) is None:
        raise UnavailableError(f"no {setting.wrapper[0]} here")
    if setting.columns is not None and os.name != "posix":
        raise UnavailableError("no pseudo-terminals here")
    if setting.other_user and not hasattr(os, "geteuid"):
        raise UnavailableError("no other users here")


def _place(setting: Setting, temporary: Path) -> Place:
    base = temporary / (setting.folder or "")
    root, out = CHECKOUT, base / "out"
    out.mkdir(parents=True)
    python, install = _python(setting, temporary)
    if setting.folder or setting.python:
        root = base / "checkout"
        copy_checkout(root)
    environment = {name: value for name, value in os.environ.items() if name not in CLEARED}
    environment |= {"PYTHONPATH": str(root), **setting.environment}
    wrapper = setting.wrapper
    if setting.other_user:
        wrapper = (*_as_other_user(python, base), *wrapper)
        environment = {name: value for name, value in environment.items() if name not in CACHES}
        environment |= {"HOME": str(_read_only(temporary / "home")), "TMPDIR": str(base / "tmp")}
    return Place(root, out, python, environment, wrapper, install)


def copy_checkout(to: Path) -> None:
    """Copy the files of the checkout that git tracks or would track. Raises ``UnavailableError`` without git."""
    listing = ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, capture_output=True, check=True).stdout.split(b"\0")
    except (OSError, subprocess.CalledProcessError):
        raise UnavailableError("git does not list the files of this checkout") from None
    for name in map(os.fsdecode, filter(None, names)):
        if (CHECKOUT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, to / name)


def _python(setting: Setting, temporary: Path) -> tuple[str, tuple[Step, ...]]:
    """The Python of a setting, and the steps that make its environment as ``make`` does."""
    if setting.python is None or setting.python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable, ()
    interpreter = find_python(setting.python)
    if shutil.disk_usage(temporary).free < ROOM:
        raise UnavailableError(f"less than {ROOM >> 30} GiB of free space for an environment in {temporary.parent}")
    venv = temporary / "venv"
    command = ("make", f"VENV={venv}", f"PYTHON={interpreter}", f"{venv}/.installed")
    return str(venv / "bin" / "python"), (Step("install", command),)


def find_python(version: str) -> str:
    """A Python of a version such as ``3.12``. Raises ``UnavailableError`` if none is on the path or in pyenv."""
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for found in (shutil.which(f"python{version}"), *map(str, installed)):
        # On the path there may be a shim that starts no Python.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    raise UnavailableError(f"no Python {version} here")


def _as_other_user(python: str, folder: Path) -> tuple[str, ...]:
    """What starts a command as a user who is not root, to whom ``folder`` is given; nothing if we are not root."""
    (folder / "tmp").mkdir()
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise UnavailableError("no setpriv here, with which root becomes another user")
    user = _user()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    become = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs")
    # Others cannot reach a Python below root's home: there they may read everything, but write no more than without.
    reading = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    for start in ((*become, "--inh-caps=-all"), (*become, *reading)):
        if _identity(python, start) == _identity(python):
            return start
    raise UnavailableError(f"{user.pw_name} cannot start {python}")


def _identity(python: str, start: tuple[str, ...] = ()) -> str:
    """Which Python it is that a command starts; a shell is between them, as setpriv itself may still start anything.

    Where a user cannot read its library, another Python's may be loaded.
    """
    code = "import sys; print(sys.base_prefix, sys.version)"
    command = [*start, "sh", "-c", 'exec "$0" -c "$1"', python, code]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/").stdout


def _user() -> pwd.struct_passwd:
    import pwd  # there is none on Windows

    try:
        return pwd.getpwnam(USER)
    except KeyError:
        raise UnavailableError(f"no user {USER} here") from None


def _read_only(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o555)
    return folder


def _delete(folder: Path) -> None:
    if (folder / "home").is_dir():
        (folder / "home").chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)
