"""Reports in half the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def svgs_alone() -> Iterator[None]:
    """Reports of this module without the PNGs of their plots, and drawn in this process: pages show the SVGs."""
    from matplotlib.figure import Figure

    from bench_core.report.plots import saving

    save = Figure.savefig

    def savefig(figure: Figure, path: Any, **options: Any) -> None:
        if options["format"] == "svg":
            save(figure, path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        patch.setattr(saving, "MOST", 1)
        yield
