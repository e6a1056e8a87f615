"""Code that a side must not load: the other side's, or a copy of the repository that both sides would share."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse


class Watch:
    """Looks for modules that were loaded from the folder to avoid, or from an installed copy of the repository."""

    def __init__(self, avoid: Path | None, repository: Path | None) -> None:
        self._avoid = avoid
        self._copied = frozenset(_copied(repository)) if repository else frozenset()
        self._installed = {Path(path).resolve() for path in sysconfig.get_paths().values()} | {
            Path(sys.prefix).resolve()
        }
        self._seen: set[str] = set()

    def stray(self) -> str | None:
        """The first such module among those loaded since the last call, and its file."""
        if self._avoid is None and not self._copied:
            return None
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            file = getattr(sys.modules.get(name), "__file__", None)
            path = Path(file).resolve() if isinstance(file, str) else None
            if path and (path in self._copied or self._is_avoided(path)):
                return f"{name} ({path})"
        return None

    def _is_avoided(self, path: Path) -> bool:
        return (
            self._avoid is not None
            and path.is_relative_to(self._avoid)
            and not any(map(path.is_relative_to, self._installed))
        )


def _copied(repository: Path) -> Iterator[Path]:
    """The files of distributions that were installed from this repository, unless in editable form (PEP 610)."""
    for distribution in importlib.metadata.distributions():
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = urlparse(origin.get("url", ""))
        if url.scheme != "file" or origin.get("dir_info", {}).get("editable"):
            continue
        if Path(unquote(url.path)).resolve().is_relative_to(repository):
            yield from (Path(str(distribution.locate_file(file))).resolve() for file in distribution.files or ())
