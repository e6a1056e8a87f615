"""What a call does, as it was counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CallCounts:
    """What a call does: its operators, and the bytes that they read and write at least.

    ``operators`` are those of torch (aten) that compute or copy; views are not counted. Each reads its inputs and
    writes its outputs once: an operator that makes several passes, or a kernel with temporary memory, moves more, and
    what stays in a cache is not read from memory again. ``footprint`` is the memory in bytes that is touched at all.
    ``bytes_moved`` are copied from one device to another, and not among those read and written.
    """

    operators: int
    bytes_read: int
    bytes_written: int
    footprint: int
    bytes_moved: int = 0

    @property
    def bytes(self) -> int:
        """The bytes read and written."""
        return self.bytes_read + self.bytes_written
