"""The batches that a workload feeds to its step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from bench_core.workloads.kit import BuildContext

Fed = list[Any]


def record_feeds(patch: pytest.MonkeyPatch) -> Fed:
    """From now on, each built step puts the batches of its feed into this list, in place of those of an earlier one."""
    fed: Fed = []
    feed = BuildContext.feed

    def recorded(ctx: BuildContext, batches: Sequence[Any], restore: Callable[[], None] | None = None) -> Iterator[Any]:
        fed[:] = batches
        return feed(ctx, batches, restore)

    patch.setattr(BuildContext, "feed", recorded)
    return fed
