"""What an import gives, and how its files are read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_core.core.errors import RecordError
from bench_core.storage.values import Value


@dataclass(frozen=True)
class Imported:
    """Values, and notes that say what was left out and why. ``files`` is how many files were read."""

    values: tuple[Value, ...]
    files: int
    notes: tuple[str, ...] = ()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file (``.gz``: compressed) with an object, in which numbers may be NaN.

    Raises ``RecordError`` for all else.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError, EOFError, gzip.BadGzipFile):
        raise RecordError(f"{path}: is not complete JSON; delete it or restore it from a copy") from None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if not isinstance(document, dict):
        raise RecordError(f"{path}: is not a JSON object")
    return document


def named(facts: Iterable[tuple[str, object]]) -> str:
    """Facts in one line, such as ``python 3.12, numpy 2.1``; those without a value are left out."""
    return ", ".join(f"{name} {value}".strip() for name, value in facts if value not in (None, ""))
