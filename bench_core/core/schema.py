"""Checks JSON data against the fields and types of dataclasses. Errors name the bad field; unknown fields are kept."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar, Union

from bench_core.core.errors import RecordError

T = TypeVar("T")
NOT_STORED: Mapping[str, Any] = MappingProxyType({"stored": False})
"""Metadata that marks a field of a dataclass as not part of the stored data."""
MAX_INTEGER = 2**63
"""Whole numbers of this size and above are rejected: they cannot be counts, and they overflow in arithmetic."""
Unknown = dict[str, Any]
"""Fields that a dataclass does not have, nested as in the data; positions of lists are keys such as ``"0"``."""


def as_dataclass(kind: type[T], data: Any, at: str = "") -> tuple[T, Unknown]:
    """JSON data as an instance of a dataclass, and the fields that it does not have; ``at`` is its path, for messages.

    Fields may be dataclasses, enums, tuples, dicts, optional, plain or ``Any``. Raises ``RecordError`` for a field that
    is missing or has the wrong type, and for what the dataclass itself rejects with a ``RecordError``.
    """
    unknown: Unknown = {}
    return typing.cast(T, _decode(kind, data, at, unknown)), unknown


def merge_unknown(data: Any, unknown: Unknown) -> None:
    """Put the fields that ``as_dataclass`` did not know back where they were, in place."""
    for key, value in unknown.items():
        if isinstance(data, list):
            merge_unknown(data[int(key)], value)
        elif key in data:
            merge_unknown(data[key], value)
        else:
            data[key] = value


def _decode(kind: Any, data: Any, at: str, unknown: Unknown) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return data
    if origin in (Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        return _decode(next(a for a in args if a is not type(None)), data, at, unknown)
    if is_dataclass(kind):
        return _decode_fields(typing.cast(type[Any], kind), data, at, unknown)
    if origin is tuple:
        return _decode_tuple(args, data, at, unknown)
    if origin is dict:
        if not isinstance(data, dict):
            raise RecordError(f"{at}: is not an object")
        return {str(k): _nested(args[1], v, f"{at}.{k}", str(k), unknown) for k, v in data.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _decode_enum(kind, data, at)
    if kind is float and isinstance(data, int) and not isinstance(data, bool) and abs(data) < 2**1000:
        return float(data)
    if not isinstance(data, kind) or (kind is int and (isinstance(data, bool) or abs(data) >= MAX_INTEGER)):
        raise RecordError(f"{at}: {_shown(data)} is not of type {kind.__name__}")
    return data


def _decode_tuple(args: tuple[Any, ...], data: Any, at: str, unknown: Unknown) -> tuple[Any, ...]:
    if not isinstance(data, list) or (args[-1] is not Ellipsis and len(data) != len(args)):
        raise RecordError(f"{at}: is not a list{'' if args[-1] is Ellipsis else f' of {len(args)}'}")
    return tuple(_nested(args[0], item, f"{at}[{i}]", str(i), unknown) for i, item in enumerate(data))


def _decode_enum(kind: type[Enum], data: Any, at: str) -> Enum:
    try:
        return kind(data)
    except ValueError:
        there_are = ", ".join(str(member.value) for member in kind)
        raise RecordError(f"{at}: {_shown(data)} is not one of {there_are}") from None


def _decode_fields(kind: type[Any], data: Any, at: str, unknown: Unknown) -> Any:
    if not isinstance(data, dict):
        raise RecordError(f"{at or 'the record'}: is not an object")
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind) if f.metadata != NOT_STORED}
    unknown |= {name: value for name, value in data.items() if name not in known}
    values = {}
    for name, spec in known.items():
        if name in data:
            values[name] = _nested(hints[name], data[name], _join(at, name), name, unknown)
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise RecordError(f"{_join(at, name)}: is missing")
    try:
        return kind(**values)
    except RecordError as error:
        raise RecordError(_join(at, str(error))) from None


def _nested(kind: Any, data: Any, at: str, key: str, unknown: Unknown) -> Any:
    """Decode a nested value and file its unknown fields under ``key``."""
    inside: Unknown = {}
    value = _decode(kind, data, at, inside)
    if inside:
        unknown[key] = inside
    return value


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
