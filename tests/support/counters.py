"""The kernel's counters, replaced: how often the CPU was taken away, and no time stolen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import pytest

Counters = Callable[[int], None]


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    """A call that makes every reading of the counters report so many more involuntary switches than the last."""
    from bench_core.hardware import contention

    def replace_them(switches: int) -> None:
        readings = count(step=switches)
        monkeypatch.setattr(contention.resource, "getrusage", lambda _: SimpleNamespace(ru_nivcsw=next(readings)))
        monkeypatch.setattr(contention.psutil, "cpu_times", lambda: (0.0,))

    return replace_them
