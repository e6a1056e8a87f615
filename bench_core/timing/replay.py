"""A clock that replays measured samples, so that pytest-benchmark shows and stores them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class ReplayClock:
    """A timer that replays measured samples: it returns 0.0 and a sample in turn.

    With this as pytest-benchmark's timer, one round lasts exactly one sample. So pytest-benchmark's table, JSON and
    comparisons show what bench-core measured.
    """

    __name__ = "bench_core.replay"

    def __init__(self, samples: Iterable[float] = ()) -> None:
        self._ticks = self._alternate(samples)

    def load(self, samples: Iterable[float]) -> None:
        """Replay these samples (seconds) from now on."""
        self._ticks = self._alternate(samples)

    @staticmethod
    def _alternate(samples: Iterable[float]) -> Iterator[float]:
        for sample in samples:
            yield 0.0
            yield sample

    def __call__(self) -> float:
        """The next reading, in seconds."""
        return next(self._ticks)
