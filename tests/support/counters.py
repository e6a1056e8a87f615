"""The kernel's counters, replaced: how often the CPU was taken away, and no time stolen."""

from __future__ import annotations

import resource
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import psutil
import pytest

Counters = Callable[[int], None]


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    """A call that makes every reading of the counters report so many more involuntary switches than the last."""

    def replace_them(switches: int) -> None:
        readings = count(step=switches)
        monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_nivcsw=next(readings)))
        monkeypatch.setattr(psutil, "cpu_times", lambda: (0.0,))

    return replace_them
