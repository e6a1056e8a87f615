"""What a project chose for its gate: the table ``[tool.bench-core.gate]`` of its ``pyproject.toml``, or a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bench_core.analysis.gate.verdicts import Limits, Rules
from bench_core.core.errors import OptionError
from bench_core.core.percentage import parse_percentage

TABLE = "tool.bench-core.gate"
NAMES = tuple(field.name for field in fields(Limits))


@dataclass(frozen=True)
class Settings:
    """The arguments of pytest that choose the cases, and the limits."""

    tests: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)


def read(folder: Path, file: Path | None = None) -> Settings:
    """The settings in a file, or without one those in the ``pyproject.toml`` of a folder or of one above it.

    A file has the same keys at its top level. Raises ``OptionError`` for what is no setting.
    """
    if file is not None:
        return _settings(_load(file), str(file))
    for path in (parent / "pyproject.toml" for parent in (folder, *folder.parents)):
        if path.is_file():
            table = _load(path).get("tool", {}).get("bench-core", {}).get("gate", {})
            return _settings(table, f"{path}: [{TABLE}]")
    return Settings()


def changed(limits: Limits, given: Mapping[str, object], where: str) -> Limits:
    """Limits with some of them replaced, as percentages by name. If only the margin is given, what matters stays as far
    above it as it was. Raises ``OptionError`` for what is no limit."""
    values = {name: parse_percentage(words, f"{where}: {name}") for name, words in given.items() if name in NAMES}
    for name in given:
        if name not in NAMES:
            raise OptionError(f"{where}: no limit {name!r}; there are: {', '.join(NAMES)}")
    if "margin" in values and "matters" not in values:
        values["matters"] = values["margin"] + limits.matters - limits.margin
    result = replace(limits, **values)
    if not 0.0 < result.margin < result.matters or result.memory == 0.0:
        raise OptionError(f"{where}: must be above 0%, and matters above margin, so that a case can be the SAME")
    return result


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror}); name a TOML file") from None
    except ValueError as error:
        raise OptionError(f"{path}: is not TOML ({error})") from None


def _settings(table: object, where: str) -> Settings:
    if not isinstance(table, dict):
        raise OptionError(f"{where}: is not a table")
    values = dict(table)
    tests, cases = values.pop("tests", []), values.pop("cases", {})
    if not isinstance(tests, list) or not all(isinstance(word, str) for word in tests):
        raise OptionError(f"{where}: tests is not a list of texts, such as ['benchmarks']")
    if not isinstance(cases, dict) or not all(isinstance(limits, dict) for limits in cases.values()):
        raise OptionError(f"{where}: cases is not a table of tables, such as '*lstm*' = {{ margin = '5%' }}")
    default = changed(Limits(), values, where)
    by_case = {name: changed(default, limits, f"{where}: cases: {name}") for name, limits in cases.items()}
    return Settings(tuple(tests), Rules(default, by_case))
