"""JSON data held to the fields and types of dataclasses; what does not fit is named."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union

T = TypeVar("T")


class RecordError(ValueError):
    """Stored data that cannot be used; the message is one line that names the place and what is wrong."""


def as_dataclass(kind: type[T], data: Any) -> T:
    """JSON data as an instance of a dataclass; fields may be dataclasses, tuples, dicts, optional or plain.

    Raises ``RecordError`` for a missing, unknown or ill-typed field, and passes on what the dataclass itself refuses.
    """
    return typing.cast(T, _decode(kind, data, ""))


def _decode(kind: Any, data: Any, at: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        return _decode(next(a for a in args if a is not type(None)), data, at)
    if is_dataclass(kind):
        return _decode_fields(typing.cast(type[Any], kind), data, at)
    if origin is tuple:
        if not isinstance(data, list) or (args[-1] is not Ellipsis and len(data) != len(args)):
            raise RecordError(f"{at}: is not a list{'' if args[-1] is Ellipsis else f' of {len(args)}'}")
        return tuple(_decode(args[0], item, f"{at}[{i}]") for i, item in enumerate(data))
    if origin is dict:
        if not isinstance(data, dict):
            raise RecordError(f"{at}: is not an object")
        return {str(key): _decode(args[1], value, f"{at}.{key}") for key, value in data.items()}
    if kind is float and isinstance(data, int) and not isinstance(data, bool) and abs(data) < 2**1000:
        return float(data)
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise RecordError(f"{at}: {_shown(data)} is not of type {kind.__name__}")
    return data


def _decode_fields(kind: type[Any], data: Any, at: str) -> Any:
    if not isinstance(data, dict):
        raise RecordError(f"{at or 'the record'}: is not an object")
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}
    for name in data:
        if name not in known:
            raise RecordError(f"{_join(at, _shown(name))}: the schema has no such field")
    values = {}
    for name, spec in known.items():
        if name in data:
            values[name] = _decode(hints[name], data[name], _join(at, name))
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise RecordError(f"{_join(at, name)}: is missing")
    try:
        return kind(**values)
    except RecordError as error:
        raise RecordError(_join(at, str(error))) from None


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
