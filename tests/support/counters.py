"""What the kernel's counters say of other work, replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench_core.core.results import Contention

Counters = Callable[[int], None]


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    """A call that makes every watch read so many involuntary switches in a second, and nothing else."""
    from bench_core.hardware.contention import ContentionWatch

    def replace_them(switches: int) -> None:
        counted = Contention(1.0, switches, stolen=0.0, load_before=0.0, delay=0.0)
        monkeypatch.setattr(ContentionWatch, "read", lambda _: counted)

    return replace_them
