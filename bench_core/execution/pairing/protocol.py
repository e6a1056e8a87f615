"""What the parent and its workers say to each other: JSON objects, one a line, over two pipes."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1
"""Both sides must speak this version. A side may be an older commit of this suite."""
VARIABLE = "BENCH_CORE_TURNS"
"""The environment variable that makes a run of pytest a worker; its value is a ``Link`` as JSON."""
LONGEST = 2**24
"""Bytes. A longer line is no message."""

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Hello:
    """A worker's first message: the version it speaks, what each of its tests measures, by id, its machine, the
    arguments that name no test of its side, and the tests of which numbers are stored in 16 bits (``Casting``)."""

    hello: int
    items: dict[str, str]
    machine: str
    unknown: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """The answer to ``{"open": ID, "check": BOOL, "cpu": N}``: the step of the test is built."""

    opened: bool


@dataclass(frozen=True)
class Calibrated:
    """The answer to ``{"calibrate": true}``: the calls of a block, and the seconds per call."""

    calls: int
    seconds: float


@dataclass(frozen=True)
class Timed:
    """The answer to ``{"turn": {"calls": N, "blocks": N, "lead": N, "cpu": N}}``: seconds per call of each block."""

    times: tuple[float, ...]


@dataclass(frozen=True)
class Ended:
    """The answer to ``{"close": true}``, or to any message if the test ended by itself: how it ended and why, its peak
    memory in bytes, and a module that was loaded from the folder to avoid."""

    ended: str
    reason: str = ""
    memory: int | None = None
    stray: str | None = None


class ProtocolError(ValueError):
    """What was received is not a message, or nothing will be received any more."""


@dataclass(frozen=True)
class Link:
    """What a worker is given: the file descriptors of its pipes, the folder from which it must not load code, and the
    repository of which it must not load an installed copy."""

    reads: int
    writes: int
    avoid: str | None = None
    repository: str | None = None

    def encode(self) -> str:
        """This link as the value of the environment variable."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Link:
        """The link of an environment variable's value."""
        return cls(**json.loads(text))


class Channel:
    """One end of the conversation."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes, self._rest = reads, writes, b""

    def send(self, message: Message) -> None:
        """Send a message. Raises ``ProtocolError`` if the other end is closed."""
        line = json.dumps(message).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._writes, line) :]
        except BrokenPipeError:
            raise ProtocolError("its process has ended") from None

    def receive(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message. Raises ``TimeoutError`` after ``timeout`` seconds, and ``ProtocolError``."""
        end = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._rest:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._reads], [], [], left)[0]:
                raise TimeoutError
            read = os.read(self._reads, 2**16)
            self._rest += read
            if not read:
                raise ProtocolError("its process has ended")
            if len(self._rest) > LONGEST:
                raise ProtocolError("it sent what is not a message")
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise ProtocolError(f"it sent what is not a message: {line[:80].decode(errors='replace')!r}")
        return message

    def close(self) -> None:
        """Close both pipes."""
        os.close(self._reads)
        os.close(self._writes)
