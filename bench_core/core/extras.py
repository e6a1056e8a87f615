"""The optional packages: which extra of bench-core installs them, and the error if one is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from bench_core.core.errors import MissingExtraError

EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "report": ("jinja2", "matplotlib", "pandas"),
        "series": ("statsmodels",),
        "workloads": ("PIL", "matplotlib", "pandas", "sklearn", "torchvision"),
    }
)
"""The modules that each extra installs, by the names they are imported under; ``pyproject.toml`` has the packages."""


@contextlib.contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Raise ``MissingExtraError`` if ``what`` cannot import a module of an extra; all other errors propagate."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS[extra]:
            raise
        raise MissingExtraError(
            f"{what} needs the extra '{extra}': in the checkout of bench-core, pip install '.[{extra}]' "
            f"(no module {module})"
        ) from None
