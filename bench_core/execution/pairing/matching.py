"""Which test of one side is which of the other, and which measures a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench_core.core.errors import OptionError
from bench_core.core.user_tests import is_of_test


@dataclass(frozen=True)
class Matched:
    """A test that one side has or both: its ids in base and head (``None`` where it is missing), and its name."""

    base: str | None
    head: str | None
    name: str

    @property
    def id(self) -> str:
        """The id by which it is known: head's, or base's if head has none."""
        found = self.head or self.base
        assert found is not None
        return found

    @property
    def ids(self) -> tuple[str | None, str | None]:
        """Its ids in base and head."""
        return self.base, self.head


def measuring(name: str, tests: Iterable[Matched]) -> Matched:
    """The test that measures the case of this name: a case of a workload, or a test that measures user code.

    A test that both sides have is preferred. Raises ``OptionError`` if there is none, or more than one of both sides.
    """
    found = [one for one in tests if name in (one.name, one.id) or is_of_test(name, one.id)]
    both = [one for one in found if None not in one.ids]
    if not found:
        raise OptionError(f"no collected test measures {name}; choose the tests that do with --tests")
    if len(both) > 1:
        ids = ", ".join(one.id for one in both)
        raise OptionError(f"several tests measure {name} ({ids}); choose one with --tests")
    return (both or found)[0]


def matched(base: Mapping[str, str], head: Mapping[str, str], by_place: bool = False) -> list[Matched]:
    """Match the tests of both sides, which are names by id.

    Tests of the same id are the same. With ``by_place``, for sides whose options name the tests differently
    (``--bench-threads 1`` here and ``2`` there), the others of a test function are matched in their order, if both
    sides have as many.
    """
    result = [Matched(item, item, name) for item, name in head.items() if item in base]
    rest = tuple(
        {item: name for item, name in side.items() if not (item in base and item in head)} for side in (base, head)
    )
    functions = dict.fromkeys(item.partition("[")[0] for side in (rest[1], rest[0]) for item in side)
    for function in functions:
        olds, news = ([item for item in side if item.partition("[")[0] == function] for side in rest)
        if by_place and len(olds) == len(news):
            result += [
                Matched(old, new, f"{head[new]} (base: {base[old]})") for old, new in zip(olds, news, strict=True)
            ]
        else:
            result += [Matched(None, new, head[new]) for new in news]
            result += [Matched(old, None, base[old]) for old in olds]
    return result
