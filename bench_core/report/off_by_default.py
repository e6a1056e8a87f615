"""What makes torch faster and is off by default: what of it was measured. Without the rest, no side is at its best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench_core.analysis.comparison import Result
from bench_core.core.case import VARIANTS, cpu_variant, device_title
from bench_core.core.tunings import TUNINGS

BF16 = "bf16"
"""The dtype of 16 bits in which everything can be done."""


def off_by_default(results: Iterable[Result]) -> tuple[str, ...]:
    """A note for each type of device of which workloads were measured."""
    seen: dict[str, set[str]] = {}
    for result in results:
        case = result.case
        if case.variant:  # a test of the user's has none
            seen.setdefault(case.device_type, set()).update((*case.variant_parts, case.dtype))
    return tuple(_note(device, measured) for device, measured in seen.items())


def _note(device: str, seen: set[str]) -> str:
    there_is = dict(_choices(device))
    measured = ", ".join(words for name, words in there_is.items() if name in seen)
    missing = ", ".join(words for name, words in there_is.items() if name not in seen)
    words = f"Off by default in torch, and measured on the {device_title(device)}: {measured or 'nothing'}."
    return f"{words} Not measured, so that it may do better: {missing}." if missing else words


def _choices(device: str) -> Iterator[tuple[str, str]]:
    """The part of a variant, or the dtype, that a type of device has, and what it is called as a whole."""
    for name in VARIANTS[1:]:
        if device != "cpu" or cpu_variant(name) == name:
            yield name, name
    for name, tuning in TUNINGS.items():
        if not tuning.devices or device in tuning.devices:
            yield name, tuning.variant
    yield BF16, BF16
