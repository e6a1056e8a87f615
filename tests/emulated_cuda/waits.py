"""Where the host waits for an emulated GPU: counted by kind and by the line of the program that made it wait."""

from __future__ import annotations

import contextlib
import json
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

LIBRARIES = tuple(
    {str(Path(torch.__file__).parent), *(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))}
)
OWN = str(Path(__file__).parent)


class Wait(NamedTuple):
    """What the host waits by (``item``, ``copy from host``, or a function of the runtime), and where in the program."""

    kind: str
    file: str
    line: int


seen: Counter[Wait] = Counter()
"""All waits of this process so far."""

_reason = threading.local()


def wait(reason: str, device: torch.device) -> None:
    """Wait as an operator does, for the work queued on the current stream. Under stream capture CUDA refuses."""
    _reason.words = reason
    try:
        torch.cuda.current_stream(device).synchronize()
    finally:
        _reason.words = None


def count(function: str) -> None:
    """Count a wait by a function of the CUDA runtime, which calls this through its hook."""
    kind = getattr(_reason, "words", None) or function
    seen[Wait(kind, *_place())] += 1


@contextlib.contextmanager
def counted() -> Iterator[Counter[Wait]]:
    """The waits of a block of code, complete when it has ended."""
    before, found = seen.copy(), Counter[Wait]()
    yield found
    found.update(seen - before)


def append(path: str) -> None:
    """Add all waits of this process to a file, as lines of JSON."""
    lines = [json.dumps({**wait._asdict(), "count": times}) for wait, times in seen.most_common()]
    with Path(path).open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def _place() -> tuple[str, int]:
    """The innermost line that is neither in a library nor here; in a backward pass that of the main thread."""
    main = threading.main_thread().ident
    for frame in (sys._getframe(), sys._current_frames().get(main or 0)):
        if found := _outside_libraries(frame):
            path = Path(found.f_code.co_filename)
            with contextlib.suppress(ValueError):
                path = path.relative_to(Path.cwd())
            return str(path), found.f_lineno
    return "?", 0


def _outside_libraries(frame: FrameType | None) -> FrameType | None:
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((OWN, "<", *LIBRARIES)):
            return frame
        frame = frame.f_back
    return None
