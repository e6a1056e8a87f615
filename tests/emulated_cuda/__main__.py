"""``python -m tests.emulated_cuda COMMAND...``: run a command that sees emulated NVIDIA GPUs.

Exits with the command's code, or with 77 and the reason in one line where nothing can be emulated here.
"""

from __future__ import annotations

import os
import sys

from tests.emulated_cuda.build import UnavailableError, environment

UNAVAILABLE = 77
"""The exit code by which test runners of old know a test that cannot be done here."""


def main(command: list[str]) -> int:
    if not command:
        print("usage: python -m tests.emulated_cuda COMMAND...", file=sys.stderr)
        return 2
    try:
        variables = environment()
    except UnavailableError as reason:
        print(f"no emulated GPU: {reason}", file=sys.stderr)
        return UNAVAILABLE
    if command[0] == "python":
        command = [sys.executable, *command[1:]]
    try:
        os.execvpe(command[0], command, os.environ | variables)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
