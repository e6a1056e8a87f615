"""The checksum of a stored run: it tells a damaged file from one that another tool has only formatted anew."""

from __future__ import annotations

import json
import re
import zlib

KEY = "bench_core_checksum"
"""The last key of a stored run's file: the CRC-32 of all that is written before it."""
_TAIL = re.compile(rb',\s*"%b":\s*"([0-9a-f]{8})"\s*\}\s*\Z' % KEY.encode())
_TAIL_BYTES = 200


def with_checksum(document: str) -> bytes:
    """A JSON object that is not empty, as the content of a file, with its checksum as the last key."""
    start = _without_brace(document)
    return start + f',\n    "{KEY}": "{_crc(start)}"\n}}\n'.encode()


def is_damaged(content: bytes) -> bool:
    """Whether a file does not match its checksum.

    A file that does not end with one is taken as it is. Spaces and line breaks do not count: they may be another
    tool's.
    """
    found = _TAIL.search(content, max(0, len(content) - _TAIL_BYTES))
    if found is None:
        return False
    checksum = found[1].decode()
    return _crc(memoryview(content)[: found.start()]) != checksum and _crc_as_written(content) != checksum


def _crc_as_written(content: bytes) -> str | None:
    """The checksum that a file's values have in the form in which bench-core writes them; ``None`` without values."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    del document[KEY]
    return _crc(_without_brace(json.dumps(document, indent=4)))


def _without_brace(document: str) -> bytes:
    return document.rstrip().removesuffix("}").rstrip().encode()


def _crc(content: bytes | memoryview) -> str:
    return f"{zlib.crc32(content):08x}"
