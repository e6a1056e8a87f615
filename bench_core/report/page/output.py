"""The output folder: written next to its destination, then moved, so that a failure leaves the old one intact."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from bench_core.core.errors import ReportError


@contextlib.contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A new folder next to ``out``, whose files are moved into ``out`` when the block ends without an error.

    Other files in ``out`` stay. Raises ``ReportError`` if ``out`` is a file or cannot be written.
    """
    staging = out.absolute().parent / f".{out.absolute().name}.{uuid.uuid4().hex[:8]}"
    try:
        if out.exists() and not out.is_dir():
            raise ReportError(f"{out}: is a file, so no folder of this name can be written; name another with --out")
        staging.mkdir(parents=True)
        yield staging
        _move(staging, out)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportError(f"{out}: cannot be written ({reason}); name a folder you may write to with --out") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(staging: Path, out: Path) -> None:
    if not out.exists():
        staging.rename(out)
        return
    for folder in (path for path in staging.rglob("*") if path.is_dir()):
        (out / folder.relative_to(staging)).mkdir(exist_ok=True)
    # Deepest first: the page comes last, so that it never refers to files that do not exist yet.
    files = sorted((path for path in staging.rglob("*") if path.is_file()), key=lambda path: -len(path.parts))
    for path in files:
        path.replace(out / path.relative_to(staging))
