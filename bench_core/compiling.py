"""The variant ``compile``: compiled afresh for each case, failing rather than falling back in silence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from bench_core.spec import CaseSkipped
from bench_core.telemetry import Compilation

NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing", "GPUTooOldForTriton")


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


@contextlib.contextmanager
def no_compiler_is_a_skip() -> Iterator[None]:
    """Turn the lack of a compiler for the generated code into ``CaseSkipped``."""
    try:
        yield
    except Exception as error:
        for cause in _causes(error):
            if type(cause).__name__ in NO_COMPILER:
                reason = next(line.strip() for line in str(cause).splitlines() if line.strip())
                raise CaseSkipped(f"compile: no working compiler ({reason[:160]})") from None
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "inner_exception", None) or error.__cause__ or error.__context__
