"""The variant ``compile``: each case is compiled from scratch, and fails instead of silently falling back to eager."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench_core.core.errors import CaseSkipped
from bench_core.core.modes import Compilation
from bench_core.core.step import Step

MIN_SHARE = 0.5
"""A case of which less is compiled would be eager work under the name ``compile``."""
_SHOWN = 240
"""How much of torch's reason for a graph break is shown, in characters."""


AUTOTUNE = "max-autotune-no-cudagraphs"
"""Torch's mode of ``max_autotune``. CUDA graphs are a variant of their own."""


def compiled(model: Callable[..., Any], variant: Collection[str] = ()) -> Callable[..., Any]:
    """The model, which will be compiled for exactly the shapes of its inputs; everything compiled before is discarded.

    ``variant`` are the parts of a variant. With ``max_autotune``, several versions of the kernels are measured
    meanwhile; with ``freezing``, weights become constants, which takes effect where no gradients are wanted. Hitting
    the recompile limit is an error: after it, torch would run eagerly under the name ``compile``.
    """
    import torch._dynamo
    import torch._inductor.config

    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    torch._dynamo.utils.compilation_time_metrics.clear()
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    # Otherwise the compile time would depend on the disk cache of an earlier run.
    torch._inductor.config.force_disable_caches = True
    # Torch reads it when it compiles, at the first call; ``compilation`` turns it off again.
    torch._inductor.config.freezing = "freezing" in variant
    mode = AUTOTUNE if "max_autotune" in variant else None
    compiling: Callable[..., Any] = torch.compile(model, dynamic=False, mode=mode)
    return compiling


def check_compiled() -> None:
    """After a first call: raise ``CaseSkipped`` if torch compiled no graph at all, so that the call ran eagerly."""
    if not _graphs():
        raise CaseSkipped(f"compile: torch compiles none of it{_reason()}")


def compilation(step: Step) -> Compilation:
    """The cost of compiling since the last call of ``compiled``, and the share that is compiled: calls the step twice.

    Discards what was compiled. Raises ``CaseSkipped`` as ``check_compiled`` does, and for a share below ``MIN_SHARE``.
    """
    import torch._dynamo

    check_compiled()
    utils = torch._dynamo.utils
    spent = utils.calculate_time_spent().get("total_wall_time")
    breaks, graphs, reason = sum(utils.counters["graph_break"].values()), _graphs(), _reason()
    inside, total = _operators_in_graphs(step), _operators(step)
    discard()
    share = min(1.0, inside / total) if total else None
    if share is not None and share < MIN_SHARE:
        raise CaseSkipped(f"compile: torch compiles {share:.0%} of the operators of the forward pass{reason}")
    return Compilation(None if spent is None else float(spent), breaks, graphs, share)


def discard() -> None:
    """Forget all that was compiled, and how."""
    import torch._inductor.config

    torch.compiler.reset()
    torch._inductor.config.freezing = False


def _graphs() -> int:
    import torch._dynamo

    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def _reason() -> str:
    """Torch's own words on the first graph break, if there is one."""
    import torch._dynamo

    words = next(iter(torch._dynamo.utils.counters["graph_break"]), "")
    return f": {' '.join(str(words).split())[:_SHOWN]}" if words else "; it gives no reason"


class OperatorCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators while it is active, apart from those that only make a view."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))

    def enter(self, *_: Any) -> None:
        """Begin to count: a hook before a forward pass."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self, *_: Any) -> None:
        """Stop counting: a hook after a forward pass."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]


def _operators_in_graphs(step: Step) -> int:
    """The operators that a call executes in graphs: compiled once more, by a backend that executes a graph as it is."""
    operators = OperatorCount()

    def backend(graph: Callable[..., Any], _: Any) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            with operators:
                return graph(*args)

        return run

    torch.compiler.reset()
    with torch.compiler.set_stance(force_backend=backend):
        step()
    return operators.count


def _operators(step: Step) -> int:
    """The operators of the forward passes of the step's modules in an eager call; without modules, of all of it."""
    operators = OperatorCount()
    with torch.compiler.set_stance("force_eager"), ExitStack() as stack:
        for module in step.modules.values():
            stack.callback(module.register_forward_pre_hook(operators.enter).remove)
            stack.callback(module.register_forward_hook(operators.leave).remove)
        if not step.modules:
            stack.enter_context(operators)
        step()
    return operators.count
