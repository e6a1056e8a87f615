"""A clock that replays samples, through which pytest-benchmark shows and stores what was measured here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class ReplayClock:
    """A timer that replays measured samples: it returns 0.0 and the sample in turn.

    Given to pytest-benchmark as its timer, one round then lasts exactly one sample, so its table, its JSON and
    its comparisons show what was measured here.
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
