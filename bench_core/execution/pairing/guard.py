"""A process that ends process groups when its parent is gone, even one that was killed.

A stopped process cannot notice that its parent is gone. So this one waits for the end of its standard input, on which
the parent names the groups: ``+123`` begins, ``-123`` has ended.
"""

import contextlib
import os
import signal
import subprocess
import sys


class Guard:
    """The parent's side: starts the process, and names groups to it."""

    def __init__(self) -> None:
        command = [sys.executable, "-S", "-E", __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True)

    def add(self, group: int) -> None:
        """End this process group if the parent is gone."""
        self._say(f"+{group}")

    def forget(self, group: int) -> None:
        """This process group has ended; another may get its number."""
        self._say(f"-{group}")

    def close(self) -> None:
        """End the groups that are left, and the process."""
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")


def main() -> None:
    """Note groups until the input ends, then end those that are left."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        groups = groups | {group} if line[0] == "+" else groups - {group}
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
