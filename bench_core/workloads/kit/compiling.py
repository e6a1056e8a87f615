"""The variant ``compile``: compiled afresh for each case, failing rather than falling back in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench_core.core.results import Compilation


def compiled(model: Callable[..., Any]) -> Callable[..., Any]:
    """The model, to be compiled for exactly the shapes it meets, after forgetting all that was compiled before.

    Running into the recompile limit is an error: from there on torch would run eagerly under the name ``compile``.
    """
    import torch._dynamo
    import torch._inductor.config

    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    torch._dynamo.utils.compilation_time_metrics.clear()
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    # Else the compile time would depend on what an earlier run left on the disk.
    torch._inductor.config.force_disable_caches = True
    compiling: Callable[..., Any] = torch.compile(model, dynamic=False)
    return compiling


def compilation() -> Compilation:
    """What was compiled since the last call of ``compiled``."""
    import torch._dynamo

    utils = torch._dynamo.utils
    spent = utils.calculate_time_spent().get("total_wall_time")
    breaks = sum(utils.counters["graph_break"].values())
    return Compilation(seconds=None if spent is None else float(spent), graph_breaks=breaks)
