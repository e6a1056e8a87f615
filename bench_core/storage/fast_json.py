"""JSON by msgspec, about ten times as fast as by Python. It is installed with bench-core; where a checkout runs without
being installed it may be missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    import msgspec
except ModuleNotFoundError:
    AVAILABLE = False
else:
    AVAILABLE = True

T = TypeVar("T")


class NotDecodedError(ValueError):
    """msgspec is missing, or the text is not JSON of the wanted form."""


def decode(text: bytes, kind: type[T], convert: Callable[[Any, Any], Any] | None = None) -> T:
    """JSON as a value of a type; ``convert`` makes a value of a type that JSON does not have.

    Raises ``NotDecodedError``.
    """
    if not AVAILABLE:
        raise NotDecodedError("msgspec is not installed")
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=convert)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotDecodedError(str(error)) from None


def encode(value: Any) -> bytes:
    """A value as JSON, of types that JSON does not have as texts. Only where msgspec is ``AVAILABLE``."""
    return msgspec.json.encode(value, enc_hook=str)
