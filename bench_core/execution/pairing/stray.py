"""Code that a side must not load: the other side's, or a copy of the repository that both sides would share."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse


def stray(avoid: Path | None, repository: Path | None) -> str | None:
    """A loaded module from the folder to avoid, or from a copy of this repository that was installed; and its file."""
    installed = {Path(path).resolve() for path in sysconfig.get_paths().values()} | {Path(sys.prefix).resolve()}
    copied = set(_copied(repository)) if repository else set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        path = Path(file).resolve() if isinstance(file, str) else None
        if path is None:
            continue
        avoided = avoid and path.is_relative_to(avoid) and not any(map(path.is_relative_to, installed))
        if avoided or path in copied:
            return f"{name} ({path})"
    return None


def _copied(repository: Path) -> Iterator[Path]:
    """The files of distributions that were installed from this repository, unless in editable form (PEP 610)."""
    for distribution in importlib.metadata.distributions():
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = urlparse(origin.get("url", ""))
        if url.scheme != "file" or origin.get("dir_info", {}).get("editable"):
            continue
        if Path(unquote(url.path)).resolve().is_relative_to(repository):
            yield from (Path(str(distribution.locate_file(file))).resolve() for file in distribution.files or ())
