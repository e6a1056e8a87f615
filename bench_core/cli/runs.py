"""Stored runs: recovered from journals, brought together in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench_core.core.errors import BenchError


def recover(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Journals, or folders to search for them; default: results/.")
    ] = None,
) -> None:
    """Store what runs measured before they were killed: each journal becomes a stored run, marked partial."""
    from bench_core.storage.naming import RESULTS
    from bench_core.storage.recovery import find_journals, recover

    journals = find_journals(paths or [RESULTS])
    failed = 0
    for journal in journals:
        try:
            print(recover(journal))
        except BenchError as error:
            failed += 1
            print(f"Left: {error}", file=sys.stderr)
    if not journals:
        print("No unfinished run.")
    if failed:
        sys.exit(2)


def merge(
    destination: Annotated[Path, typer.Argument(help="The folder to bring the runs together in.")],
    sources: Annotated[list[Path], typer.Argument(help="Stored runs or folders of them.")],
) -> None:
    """Copy stored runs into one folder, each run once whatever its number; sources are not changed.

    The shards of a sweep (--bench-shard) become one run.

    Files that cannot be read are named and left. The exit code is 2 only if nothing could be read or written.
    """
    from bench_core.storage.merge import merge

    merged = merge(destination, sources)
    for reason in merged.left:
        print(f"Left: {reason}", file=sys.stderr)
    for line in merged.lacking:
        print(f"Not joined: {line}")
    for path, count in merged.joined.items():
        print(f"Joined from {count} shards: {path}")
    for path in merged.replaced:
        print(f"Replaced by a more complete file: {path}")
    print(f"{len(merged.written)} written to {destination}, {merged.known} known already, {len(merged.left)} left")
