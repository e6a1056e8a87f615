"""Checks JSON data against the fields and types of dataclasses. Errors name the bad field; unknown fields are kept.

Thousands of stored runs have hundreds of millions of fields, so as little as possible is done for each: a reader is
made once for each type, and plain values of the right type are taken as they are.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
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
Reader = Callable[[Any, Unknown], Any]
"""Turns JSON data into a value and puts the fields that it does not know into the ``Unknown``. Its ``RecordError``
begins with the path from this data to the bad field, then a colon; the path is empty if the data itself is bad."""


def as_dataclass(kind: type[T], data: Any, at: str = "") -> tuple[T, Unknown]:
    """JSON data as an instance of a dataclass, and the fields that it does not have; ``at`` is its path, for messages.

    Fields may be dataclasses, enums, tuples, dicts, optional, plain or ``Any``. Raises ``RecordError`` for a field that
    is missing or has the wrong type, and for what the dataclass itself rejects with a ``RecordError``.
    """
    unknown: Unknown = {}
    try:
        value = _reader(typing.cast(Any, kind))(data, unknown)
    except RecordError as error:
        message = _join(at, str(error)).replace("\n", " ")  # which names of fields may contain
        raise RecordError(f"the record{message}" if message.startswith(":") else message) from None
    return typing.cast(T, value), unknown


def merge_unknown(data: Any, unknown: Unknown) -> None:
    """Put the fields that ``as_dataclass`` did not know back where they were, in place."""
    for key, value in unknown.items():
        if isinstance(data, list):
            merge_unknown(data[int(key)], value)
        elif key in data:
            merge_unknown(data[key], value)
        else:
            data[key] = value


@cache
def _reader(kind: Any) -> Reader:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _read_any
    if origin in (Union, types.UnionType):
        return _optional(_reader(next(a for a in args if a is not type(None))), types.NoneType in args)
    if is_dataclass(kind):
        return _dataclass(typing.cast(type[Any], kind))
    if origin is tuple:
        return _tuple(args[0], None if args[-1] is Ellipsis else len(args))
    if origin is dict:
        return _dict(args[1])
    if issubclass(kind, Enum):
        return _enum(kind)
    return {float: _read_float, int: _read_int}.get(kind) or _plain(kind)


def _dataclass(kind: type[Any]) -> Reader:
    hints = typing.get_type_hints(kind)
    stored = [f for f in fields(kind) if f.metadata != NOT_STORED]
    readers = {f.name: (_plain_types(hints[f.name]), _reader(hints[f.name])) for f in stored}
    required = [f.name for f in stored if f.default is MISSING and f.default_factory is MISSING]

    def read(data: Any, unknown: Unknown) -> Any:
        _check_is(dict, data, "an object")
        values: dict[str, Any] = {}
        inside: Unknown = {}
        for name, (plain, read_field) in readers.items():
            value = data.get(name, MISSING)
            if type(value) in plain:
                values[name] = value
            elif value is not MISSING:
                try:
                    values[name] = read_field(value, inside)
                except RecordError as error:
                    raise RecordError(_join(name, str(error))) from None
                if inside:
                    unknown[name], inside = inside, {}
        if len(values) < len(readers):
            _check_complete(values, required)
        if len(values) < len(data):
            unknown.update({name: value for name, value in data.items() if name not in readers})
        return kind(**values)

    return read


def _check_complete(values: Mapping[str, Any], required: list[str]) -> None:
    missing = next((name for name in required if name not in values), None)
    if missing:
        raise RecordError(f"{missing}: is missing")


def _plain_types(kind: Any) -> frozenset[type]:
    """The types of data that a field of a type takes as they are."""
    if typing.get_origin(kind) in (Union, types.UnionType):
        return frozenset[type]().union(*map(_plain_types, typing.get_args(kind)))
    return frozenset([kind] if kind in (str, bool, float, types.NoneType) else [])


def _tuple(kind: Any, length: int | None) -> Reader:
    read_item, plain = _reader(kind), _plain_types(kind)
    wanted = "a list" if length is None else f"a list of {length}"

    def read(data: Any, unknown: Unknown) -> tuple[Any, ...]:
        _check_is(list, data, wanted)
        if length is not None and len(data) != length:
            raise RecordError(f": is not {wanted}")
        if set(map(type, data)) <= plain:  # such as samples: no loop in Python
            return tuple(data)
        return tuple(_nested(read_item, item, f"[{i}]", str(i), unknown) for i, item in enumerate(data))

    return read


def _dict(kind: Any) -> Reader:
    read_value, plain = _reader(kind), _plain_types(kind)

    def read(data: Any, unknown: Unknown) -> dict[str, Any]:
        _check_is(dict, data, "an object")
        if set(map(type, data.values())) <= plain:
            return dict(data)
        return {key: _nested(read_value, value, key, key, unknown) for key, value in data.items()}

    return read


def _nested(read: Reader, data: Any, at: str, key: str, unknown: Unknown) -> Any:
    """Read an item at a path, and file its unknown fields under a key."""
    inside: Unknown = {}
    try:
        value = read(data, inside)
    except RecordError as error:
        raise RecordError(_join(at, str(error))) from None
    if inside:
        unknown[key] = inside
    return value


def _optional(read_value: Reader, may_be_none: bool) -> Reader:
    def read(data: Any, unknown: Unknown) -> Any:
        return None if data is None and may_be_none else read_value(data, unknown)

    return read


def _enum(kind: type[Enum]) -> Reader:
    there_are = ", ".join(str(member.value) for member in kind)

    def read(data: Any, _: Unknown) -> Enum:
        try:
            return kind(data)
        except ValueError:
            raise RecordError(f": {_shown(data)} is not one of {there_are}") from None

    return read


def _plain(kind: type[Any]) -> Reader:
    def read(data: Any, _: Unknown) -> Any:
        if type(data) is not kind:
            raise _wrong_type(data, kind)
        return data

    return read


def _read_int(data: Any, _: Unknown) -> int:
    if type(data) is not int or not -MAX_INTEGER < data < MAX_INTEGER:
        raise _wrong_type(data, int)
    return data


def _read_float(data: Any, _: Unknown) -> float:
    if type(data) is int and abs(data) < 2**1000:
        return float(data)
    if type(data) is not float:
        raise _wrong_type(data, float)
    return data


def _read_any(data: Any, _: Unknown) -> Any:
    return data


def _check_is(kind: type, data: Any, wanted: str) -> None:
    if type(data) is not kind:
        raise RecordError(f": is not {wanted}")


def _wrong_type(data: Any, kind: type) -> RecordError:
    return RecordError(f": {_shown(data)} is not of type {kind.__name__}")


def _join(at: str, error: str) -> str:
    """A message about a field inside another, or about an item of a list, with the path of both."""
    return f"{at}{error}" if not at or error.startswith((":", "[")) else f"{at}.{error}"


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
