"""How processes end that give no result, in words."""

from __future__ import annotations

import signal
from collections.abc import Sequence


def ending(code: int, lines: Sequence[str] = ()) -> str:
    """How a process ended that gave no result, and the last of the lines that it wrote to its standard error."""
    if code == -signal.SIGKILL:
        return "killed (SIGKILL); the system does this when memory runs out"
    how = _signal(-code) if code < 0 else f"its process ended with exit code {code} and without a result"
    return f"crashed: {how}" + (f"; its last line of standard error: {lines[-1].strip()[:160]}" if lines else "")


def _signal(number: int) -> str:
    """A signal for people: ``segmentation fault (SIGSEGV)``."""
    names = {int(known): known.name for known in signal.Signals}
    words = (signal.strsignal(number) or "signal").lower()
    return f"{words} ({names.get(number, number)})"
