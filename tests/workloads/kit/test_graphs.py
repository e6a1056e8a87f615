"""The variant ``cuda_graph``: what is captured, what is replayed, and that it is the same work as in eager mode.

On a CPU a tape stands in for a CUDA graph. As the graph does, it replays operations on the memory they were captured
with, and runs no Python.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from bench_core import Case, Step, workloads
from bench_core.core.errors import CaseSkipped
from bench_core.execution.parity.capture import FirstCall
from bench_core.workloads.adversarial import gan
from bench_core.workloads.adversarial.game import adversarial_step, alternate
from bench_core.workloads.dense import mlp
from bench_core.workloads.kit import BuildContext, building, graphs, rotate, training
from tests.support import parity

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
GPU_CASES = ("mlp_train", "lstm_ar_train", "gan_step", "resblock_identity")


class Tape(TorchDispatchMode):
    """Captures operations with the memory they work on; ``replay`` runs them again into the same results."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = in_place_of((args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, given, in_place_of(result)))
        return result

    def replay(self) -> None:
        with torch.inference_mode():
            for func, given, result in self.calls:
                args, kwargs = in_place_of(given)
                for old, new in zip(tree_leaves(result), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def in_place_of(tensors: Any) -> Any:
    """The same memory as seen now: some operations change how a tensor sees its memory."""
    return tree_map(lambda x: x.detach() if isinstance(x, torch.Tensor) else x, tensors)


def taped(work: Callable[[], Any], device: torch.device) -> graphs.CapturedGraph:
    """What ``graphs.capture`` does, with a tape. That a tape executes the work as it captures it must not matter."""
    for _ in range(graphs.WARM_UPS):
        work()
    with Tape() as tape:
        output = work()
    return graphs.CapturedGraph(tape.replay, output)


@pytest.fixture
def cpu_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Adam keep its count in a tensor on the CPU too, as on a GPU: torch allows it on GPUs only."""
    adam = import_module("torch.optim.adam")
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *_: ["cpu", "cuda"])


def classifier(make: Callable[[], nn.Module], optimize: Callable[..., Any]) -> Callable[[BuildContext], Step]:
    """Trains a model of (4, 1, 28, 28) to ten classes on random numbers."""

    def build_step(ctx: BuildContext) -> Step:
        model = ctx.model(make, train=True)
        optimizer = optimize(model.parameters())
        batches = [(ctx.normal(4, 1, 28, 28), ctx.tensor(ctx.rng.integers(0, 10, 4))) for _ in range(3)]
        run = training(ctx, model, optimizer, F.cross_entropy, batches)
        return ctx.step(run, units=4, flops=None, data="", modules={"model": model}, optimizers={"model": optimizer})

    return build_step


def game(ctx: BuildContext) -> Step:
    batches = [tuple(ctx.normal(2, size) for size in (784, 100, 100)) for _ in range(3)]
    optimize = partial(SGD, lr=0.01, momentum=0.5)
    return adversarial_step(ctx, alternate, gan.Generator, gan.Discriminator, optimize, batches, "")


def of_workload(name: str, setting: str = "") -> Callable[[BuildContext], Step]:
    def build_step(ctx: BuildContext) -> Step:
        case = replace(ctx.case, workload=name, setting=setting)
        return building.build_anywhere(workloads.get(name), case, capture=ctx.capture)

    return build_step


def normed() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 5, stride=3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))


STEPS = {
    "sgd": classifier(mlp.perceptron, partial(SGD, lr=0.01)),
    "adam": classifier(mlp.deep_perceptron, partial(Adam, lr=0.001)),
    "momentum and batch norm": classifier(normed, partial(SGD, lr=0.01, momentum=0.9)),
    "gradient in Python": classifier(lambda: mlp.perceptron(mlp.HandWrittenReLU), partial(SGD, lr=0.01)),
    "game": game,
    "gru": of_workload("gru_ar_train"),
    "gradients": of_workload("resblock_projection", "forward_backward"),
    "inference": of_workload("conv2d_grid", "k3s1p1-16x16"),
    "loss": of_workload("activations_losses", "cross_entropy"),
    "gemm": of_workload("gemm"),
}


def eager(name: str) -> Step:
    return STEPS[name](BuildContext(Case("w", batch_size=4)))


def on_tape(name: str) -> Step:
    """The step as ``cuda_graph`` makes it, but on the CPU and with a tape."""
    return STEPS[name](tape_context())


def tape_context() -> BuildContext:
    return BuildContext(Case("w", batch_size=4, variant="cuda_graph"), capture=taped)


def values(output: Any) -> torch.Tensor:
    parts = output.values() if isinstance(output, dict) else [output]
    return torch.cat([part.detach().flatten().clone() for part in parts])


def assert_same_calls(a: Step, b: Step, calls: int, rtol: float = 1e-4) -> None:
    first, second = (torch.stack([values(step()) for _ in range(calls)]) for step in (a, b))
    torch.testing.assert_close(first, second, rtol=rtol, atol=1e-6)
    assert not torch.allclose(first[0], first[1], rtol=1e-3), "the batches differ"


@pytest.mark.parametrize("name", STEPS)
def test_graph_does_the_work_of_eager_call_by_call(
    name: str, monkeypatch: pytest.MonkeyPatch, cpu_counts: None
) -> None:
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 6)
    assert_same_calls(on_tape(name), eager(name), 15)


@pytest.mark.parametrize("name", ["adam", "momentum and batch norm", "game"])
def test_first_call_is_the_first_step_from_the_first_weights(name: str, cpu_counts: None) -> None:
    results = []
    for step in (on_tape(name), eager(name)):
        first = FirstCall(step)
        results.append(first.values(step()))
    assert results[0].keys() == results[1].keys()
    for quantity, exact in results[1].items():
        assert results[0][quantity] == pytest.approx(exact, rel=1e-4, abs=1e-7), quantity


def test_graph_passes_the_parity_gate(cpu_counts: None) -> None:
    result = parity.check(Case("gru_ar_train", batch_size=4), on_tape("gru"))
    assert result.error <= result.tolerance


def test_optimizer_that_counts_steps_on_the_host_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "count_on_device", lambda optimizer: None)
    with pytest.raises(AssertionError, match="not close"):
        assert_same_calls(on_tape("adam"), eager("adam"), 8)


def test_python_runs_at_the_first_call_only() -> None:
    calls: list[int] = []
    step = classifier(lambda: Counted(calls), partial(SGD, lr=0.01))(tape_context())
    assert not calls, "nothing is captured while building, so the cold start includes it"
    for _ in range(3):
        step()
    assert len(calls) == graphs.WARM_UPS + 1


class Counted(nn.Module):
    """A perceptron that notes each call on the CPU; building a step calls it on tensors without storage."""

    def __init__(self, calls: list[int]) -> None:
        super().__init__()
        self.model, self.calls = mlp.perceptron(), calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type == "cpu":
            self.calls.append(len(x))
        return self.model(x)


def test_gradients_and_outputs_keep_their_memory() -> None:
    step = on_tape("sgd")
    outputs, gradients = [], []
    for _ in range(3):
        outputs.append(step().data_ptr())
        gradients.append([p.grad.data_ptr() for p in step.modules["model"].parameters()])
    assert len(set(outputs)) == 1
    assert gradients[0] == gradients[1] == gradients[2]


def test_static_inputs_are_copies_laid_out_like_the_batches() -> None:
    batches = [(torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last), torch.ones(2)) for _ in range(3)]
    kept = [images.clone() for images, _ in batches]
    feed = graphs.StaticFeed(rotate(batches))
    places = set()
    for turn in range(6):
        feed.advance()
        images, _ = next(feed)
        places.add(images.data_ptr())
        assert torch.equal(images, kept[turn % 3])
        assert images.is_contiguous(memory_format=torch.channels_last)
    assert len(places) == 1
    assert all(torch.equal(images, was) for (images, _), was in zip(batches, kept, strict=True))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Case("mlp_train", variant="cuda_graph"), "CUDA graphs exist on CUDA devices only; .* eager"),
        (Case("cnn_mnist_train", device="cuda", variant="compile+cuda_graph"), "cannot be joined with compile"),
        (Case("cnn_mnist_train", device="cuda", variant="cuda_graph", caches="cold"), "it copies each batch"),
        (Case("arma_css_fit", device="cuda", variant="cuda_graph"), "has no variant 'cuda_graph'; it has: eager"),
    ],
)
def test_case_that_cannot_be_captured_is_refused_with_the_reason(
    case: Case, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench_core.hardware.device.absence", lambda kind: None)
    with pytest.raises(ValueError, match=message):
        workloads.build(case)


def test_graph_can_be_joined_with_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.hardware.device.absence", lambda kind: None)
    case = Case("cnn_mnist_train", device="cuda", variant="channels_last+cuda_graph")
    assert building.why_unsupported(workloads.get(case.workload), case) is None


def test_workload_without_a_feed_is_skipped_with_the_reason() -> None:
    ctx = BuildContext(Case("gemm", variant="cuda_graph"), capture=taped)
    with pytest.raises(CaseSkipped, match="gemm: it does not take one feed of batches"):
        ctx.step(lambda: None, units=1, flops=None, data="")


@pytest.mark.gpu
@NEEDS_GPU
@pytest.mark.parametrize("name", GPU_CASES)
def test_graph_on_a_gpu_does_the_work_of_eager(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 12)
    case = Case(name, device="cuda", batch_size=4)
    captured = replace(case, variant="cuda_graph")
    parity.check(captured)
    assert_same_calls(workloads.build(captured), workloads.build(case), 30, rtol=1e-3)


@pytest.mark.gpu
@NEEDS_GPU
def test_replay_does_not_wait_for_the_gpu() -> None:
    step = workloads.build(Case("ann_train", device="cuda", batch_size=10, variant="cuda_graph"))
    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
