"""The variant ``compile``: each case is compiled from scratch, and fails instead of silently falling back to eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench_core.core.results import Compilation


def compiled(model: Callable[..., Any]) -> Callable[..., Any]:
    """The model, which will be compiled for exactly the shapes of its inputs; everything compiled before is discarded.

    Hitting the recompile limit is an error: after it, torch would run eagerly under the name ``compile``.
    """
    import torch._dynamo
    import torch._inductor.config

    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    torch._dynamo.utils.compilation_time_metrics.clear()
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    # Otherwise the compile time would depend on the disk cache of an earlier run.
    torch._inductor.config.force_disable_caches = True
    compiling: Callable[..., Any] = torch.compile(model, dynamic=False)
    return compiling


def compilation() -> Compilation:
    """The cost of compiling since the last call of ``compiled``."""
    import torch._dynamo

    utils = torch._dynamo.utils
    spent = utils.calculate_time_spent().get("total_wall_time")
    breaks = sum(utils.counters["graph_break"].values())
    return Compilation(seconds=None if spent is None else float(spent), graph_breaks=breaks)
