"""CUDA tensors without memory: torch's fake tensors, which know sizes, dtypes and devices and compute nothing.

They report an operator that gets tensors of two devices, on any machine. Torch makes them for its compiler; where there
is no GPU, a few of its parts do not get along with them, and are replaced here while ``fake_cuda`` lasts.
"""

from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
import torch._meta_registrations
import torch.utils
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.kit.graphs import CapturedGraph
from tests.emulated_cuda.recurrent import CELLS


@contextmanager
def fake_cuda() -> Iterator[None]:
    """A block in which tensors are fake, and those on ``cuda:0`` need no GPU."""
    from torchvision.datasets import MNIST

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
        log = logging.getLogger("torch._subclasses.fake_tensor")
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)  # it logs what it raises
        # With cuDNN, recurrent layers would ask for a GPU.
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(mock.patch("torch.autograd._engine_run_backward", backward))
        stack.enter_context(mock.patch("torch.utils.swap_tensors", _swapping(mode)))
        stack.enter_context(mock.patch.object(BuildContext, "model", _without_memory(BuildContext.model)))
        stack.enter_context(mock.patch.object(MNIST, "_load_data", _for_real(MNIST._load_data)))
        stack.enter_context(mock.patch.object(Tensor, "numpy", _for_real(Tensor.numpy)))
        # Without a GPU, autocast does nothing.
        stack.enter_context(mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False))
        stack.enter_context(mock.patch("torch.cuda.is_bf16_supported", return_value=True))
        stack.enter_context(mode)
        yield


def repeated(work: Callable[[], Any], device: torch.device) -> CapturedGraph:
    """In place of capturing a graph: the work itself, done once more at each replay."""
    return CapturedGraph(work, work())


def backward(
    roots: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    keep_graph: bool,
    create_graph: bool,
    inputs: Sequence[Tensor] = (),
    allow_unreachable: bool = False,
    accumulate_grad: bool = False,
) -> tuple[Tensor | None, ...]:
    """Torch's backward pass, node by node. Its engine, written in C++, would ask the GPU for a stream."""
    awaited = _uses(roots)
    received: dict[Any, dict[int, Tensor]] = defaultdict(dict)
    for root, gradient in zip(roots, gradients, strict=True):
        received[root.grad_fn][root.output_nr] = gradient
    ready, leaves = [root.grad_fn for root in roots], {}
    with torch.no_grad():
        while ready:
            node = ready.pop()
            given = [received[node].get(place) for place in range(len(node._input_metadata))]
            if hasattr(node, "variable"):
                leaves[id(node.variable)] = given[0]
                if accumulate_grad:
                    _add_gradient(node.variable, given[0])
                continue
            passed = node.apply(*given) if hasattr(node, "apply") else node(*given)
            passed = passed if isinstance(passed, tuple) else (passed,)
            for (follower, place), gradient in zip(node.next_functions, passed, strict=True):
                if follower is None:
                    continue
                if gradient is not None:
                    reduced = _as_expected(gradient, follower._input_metadata[place], node)
                    before = received[follower].get(place)
                    received[follower][place] = reduced if before is None else before + reduced
                awaited[follower] -= 1
                if not awaited[follower]:
                    ready.append(follower)
    return tuple(leaves.get(id(tensor)) for tensor in inputs)


def _uses(roots: Sequence[Tensor]) -> dict[Any, int]:
    """How many gradients each node of the graph has to wait for."""
    uses: dict[Any, int] = defaultdict(int)
    seen, ahead = set(), [root.grad_fn for root in roots]
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        for follower, _ in node.next_functions:
            if follower is not None:
                uses[follower] += 1
                ahead.append(follower)
    return uses


def _as_expected(gradient: Tensor, expected: Any, node: Any) -> Tensor:
    """What the engine does with a gradient before it passes it on: the checks, and sums over what was broadcast."""
    if gradient.device != expected.device:
        raise RuntimeError(f"{node.name()} returned a gradient on {gradient.device}, expected {expected.device}")
    return gradient.sum_to_size(tuple(expected.shape)).to(expected.dtype)


def _add_gradient(leaf: Tensor, gradient: Tensor | None) -> None:
    if gradient is not None:
        leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient


def _swapping(mode: FakeTensorMode) -> Callable[[Tensor, Tensor], None]:
    """``torch.utils.swap_tensors``, by which modules change their weights, refuses tensors that the mode remembers."""
    original = torch.utils.swap_tensors

    def swap(one: Tensor, other: Tensor) -> None:
        mode.fake_tensor_converter.meta_converter.tensor_memo.clear()
        original(one, other)

    return swap


def _without_memory(original: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """``BuildContext.model``, whose weights are not drawn."""

    def model(ctx: BuildContext, make: Callable[[], nn.Module], *, train: bool) -> nn.Module:
        def made() -> nn.Module:
            with unset_fake_temporarily(), torch.device("meta"):
                return make()

        return original(ctx, made, train=train)

    return model


def _for_real(original: Callable[..., Any]) -> Callable[..., Any]:
    def load(*args: Any, **kwargs: Any) -> Any:
        with unset_fake_temporarily():
            return original(*args, **kwargs)

    return load


def _complete_sizes() -> torch.library.Library:
    """State the sizes of recurrent cells, by formulas for them, where this torch does not (2.11)."""
    library = torch.library.Library("aten", "IMPL")
    for name, cell in CELLS.items():
        if not torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{name}", "Meta"):
            library.impl(name, cell, "Meta")
    return library


def _complete_optimizers() -> torch.library.Library:
    """The fused SGD writes to its arguments and returns nothing; torch does not state this for tensors without memory,
    as it does for the fused Adam."""
    library = torch.library.Library("aten", "IMPL")
    if not torch._C._dispatch_has_kernel_for_dispatch_key("aten::_fused_sgd_", "Meta"):
        library.impl("_fused_sgd_", lambda *_, **__: None, "Meta")
    return library


_optimizers = _complete_optimizers()
_sizes = _complete_sizes()  # kept, as torch forgets them with the library
