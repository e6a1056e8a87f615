"""The variant ``cuda_graph``: what is recorded, what is replayed, and that it is the same work as in eager mode.

On a CPU a tape stands in for a CUDA graph. As the graph does, it replays operations on the memory they were recorded
with, and runs no Python.
"""

from dataclasses import replace
from functools import partial
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from bench_core import Case, workloads
from bench_core.core.errors import CaseSkipped
from bench_core.execution.parity.capture import FirstCall
from bench_core.execution.parity.gate import Gate
from bench_core.workloads.adversarial import gan
from bench_core.workloads.adversarial.game import adversarial_step, alternate
from bench_core.workloads.dense import mlp
from bench_core.workloads.kit import graphs
from bench_core.workloads.kit.context import BuildContext
from bench_core.workloads.kit.feeds import rotate
from bench_core.workloads.kit.loops import training

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
GPU_CASES = ("mlp_train", "lstm_ar_train", "gan_step", "resblock_identity")


class Tape(TorchDispatchMode):
    """Records operations with the memory they work on; ``replay`` runs them again into the same results."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = in_place_of((args, kwargs or {}))
        made = func(*args, **(kwargs or {}))
        self.calls.append((func, given, in_place_of(made)))
        return made

    def replay(self):
        with torch.inference_mode():
            for func, given, made in self.calls:
                args, kwargs = in_place_of(given)
                for old, new in zip(tree_leaves(made), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def in_place_of(tensors):
    """The same memory as seen now: some operations change how a tensor sees its memory."""
    return tree_map(lambda x: x.detach() if isinstance(x, torch.Tensor) else x, tensors)


def taped(work, device):
    """What ``graphs.cuda`` does, with a tape. That recording runs the work, unlike a graph's, must not matter."""
    for _ in range(graphs.WARM_UPS):
        work()
    with Tape() as tape:
        output = work()
    return graphs.CapturedGraph(tape.replay, output)


@pytest.fixture
def cpu_counts(monkeypatch):
    """Let Adam keep its count in a tensor on the CPU too, as on a GPU: torch allows it on GPUs only."""
    adam = import_module("torch.optim.adam")
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *_: ["cpu", "cuda"])


def classifier(make, optimize):
    """Trains a model of (4, 1, 28, 28) to ten classes on random numbers."""

    def build_step(ctx):
        model = ctx.model(make, train=True)
        optimizer = optimize(model.parameters())
        batches = [(ctx.normal(4, 1, 28, 28), ctx.tensor(ctx.rng.integers(0, 10, 4))) for _ in range(3)]
        run = training(ctx, model, optimizer, F.cross_entropy, batches)
        return ctx.step(run, units=4, flops=None, data="", modules={"model": model}, optimizers={"model": optimizer})

    return build_step


def game(ctx):
    batches = [tuple(ctx.normal(2, size) for size in (784, 100, 100)) for _ in range(3)]
    optimize = partial(SGD, lr=0.01, momentum=0.5)
    return adversarial_step(ctx, alternate, gan.Generator, gan.Discriminator, optimize, batches, "")


def of_workload(name, setting=""):
    def build_step(ctx):
        chosen = workloads.get(name)
        first = next(iter(chosen.settings), "")
        return chosen.build(replace(ctx, case=replace(ctx.case, workload=name, setting=setting or first)))

    return build_step


def normed():
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


def eager(name):
    return STEPS[name](BuildContext(Case("w", batch_size=4)))


def on_tape(name):
    """The step as ``cuda_graph`` makes it, but on the CPU and with a tape."""
    return STEPS[name](BuildContext(Case("w", batch_size=4, variant="cuda_graph"), record=taped))


def values(output):
    parts = output.values() if isinstance(output, dict) else [output]
    return torch.cat([part.detach().flatten().clone() for part in parts])


def assert_same_calls(a, b, calls, rtol=1e-4):
    first, second = (torch.stack([values(step()) for _ in range(calls)]) for step in (a, b))
    torch.testing.assert_close(first, second, rtol=rtol, atol=1e-6)
    assert not torch.allclose(first[0], first[1], rtol=1e-3), "the batches differ"


@pytest.mark.parametrize("name", STEPS)
def test_a_graph_does_the_work_of_eager_call_by_call(name, monkeypatch, cpu_counts):
    monkeypatch.setattr(build, "RESTORE_EVERY", 12)
    assert_same_calls(on_tape(name), eager(name), 30)


@pytest.mark.parametrize("name", ["adam", "momentum and batch norm", "game"])
def test_the_first_call_is_the_first_step_from_the_first_weights(name, cpu_counts):
    found = []
    for step in (on_tape(name), eager(name)):
        first = FirstCall(step)
        found.append(first.seen(step()))
    assert found[0].keys() == found[1].keys()
    for quantity, exact in found[1].items():
        assert found[0][quantity] == pytest.approx(exact, rel=1e-4, abs=1e-7), quantity


def test_a_graph_passes_the_parity_gate(cpu_counts):
    case = Case("gru_ar_train", batch_size=4)
    step = on_tape("gru")
    gate = Gate(case, step)
    gate.after_first(step())
    assert gate.result().error <= gate.result().tolerance


def test_a_count_of_steps_that_is_not_on_the_device_would_be_noticed(monkeypatch):
    monkeypatch.setattr(graphs, "count_on_device", lambda optimizer: None)
    with pytest.raises(AssertionError, match="not close"):
        assert_same_calls(on_tape("adam"), eager("adam"), 8)


def test_python_runs_at_the_first_call_only():
    step = on_tape("sgd")
    seen = []
    step.modules["model"].register_forward_pre_hook(lambda *_: seen.append(1))
    assert not seen, "nothing is recorded while building, so the cold start holds it"
    for _ in range(3):
        step()
    assert len(seen) == graphs.WARM_UPS + 1


def test_gradients_and_outputs_stay_in_their_place():
    step = on_tape("sgd")
    outputs, gradients = [], []
    for _ in range(3):
        outputs.append(step().data_ptr())
        gradients.append([p.grad.data_ptr() for p in step.modules["model"].parameters()])
    assert len(set(outputs)) == 1
    assert gradients[0] == gradients[1] == gradients[2]


def test_static_inputs_are_copies_laid_out_like_the_batches():
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
        (Case("mlp_train", variant="cuda_graph"), "CUDA graphs exist on GPUs only; the counterpart .* is eager"),
        (Case("cnn_mnist_train", device="cuda", variant="compile+cuda_graph"), "cannot be joined with compile"),
        (Case("cnn_mnist_train", device="cuda", variant="cuda_graph", caches="cold"), "it copies each batch"),
        (Case("arma_css_fit", device="cuda", variant="cuda_graph"), "has no variant 'cuda_graph'; it has: eager"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_the_reason(case, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(ValueError, match=message):
        workloads.build(case)


def test_it_can_be_joined_with_channels_last(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    case = Case("cnn_mnist_train", device="cuda", variant="channels_last+cuda_graph")
    assert workloads.refusal(case) is None


def test_a_workload_without_a_feed_is_skipped_with_the_reason():
    ctx = BuildContext(Case("gemm", variant="cuda_graph"), record=taped)
    with pytest.raises(CaseSkipped, match="gemm: it does not take one feed of batches"):
        ctx.step(lambda: None, units=1, flops=None, data="")


@pytest.mark.gpu
@NEEDS_GPU
@pytest.mark.parametrize("name", GPU_CASES)
def test_on_a_gpu_a_graph_does_the_work_of_eager(name, monkeypatch):
    monkeypatch.setattr(build, "RESTORE_EVERY", 12)
    case = Case(name, device="cuda", batch_size=4)
    step = workloads.build(replace(case, variant="cuda_graph"))
    gate = Gate(replace(case, variant="cuda_graph"), step)
    gate.after_first(step())
    gate.result()
    assert_same_calls(workloads.build(replace(case, variant="cuda_graph")), workloads.build(case), 30, rtol=1e-3)


@pytest.mark.gpu
@NEEDS_GPU
def test_on_a_gpu_replays_do_not_wait(monkeypatch):
    step = workloads.build(Case("ann_train", device="cuda", batch_size=10, variant="cuda_graph"))
    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
