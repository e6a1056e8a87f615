"""Reports in less time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EMPTY = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


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


@pytest.fixture(scope="module")
def empty_plots() -> Iterator[None]:
    """Reports of this module with empty plots, where only words, tables or CSV files matter."""
    from bench_core.report.plots import draw, saving

    def save(chart: object, svg: Path, png: Path) -> None:
        svg.write_bytes(EMPTY)
        png.touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "save", save)
        patch.setattr(saving, "MOST", 1)
        yield
