"""What every workload must do. What a workload leaves out is not asked for; what it states is checked.

A workload added as a file of its own is found by these tests like any other; they need no change for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from bench_core import Case, Step, Workload, workloads
from bench_core.workloads.kit import BuildContext, KnownCosts, building
from tests.support.weights import draw_quickly

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

# Pipelines, what needs a GPU and what needs several processes have tests of their own.
UNDIVIDED = [w for w in map(workloads.get, workloads.names()) if not w.over_ranks]
PLAIN = [w for w in UNDIVIDED if w.kind != "pipeline" and not w.gpu_only]
LIGHT = [w.name for w in PLAIN if not w.heavy]
# A call of pix2pix256_step takes seconds; the tests of adversarial work ask the same of theirs.
HEAVY = [w.name for w in PLAIN if w.heavy and w.name != "pix2pix256_step"]
TRAINING = [name for name in LIGHT if workloads.get(name).kind == "train"]
ALL_TRAINING = [w.name for w in UNDIVIDED if w.kind == "train"]
# Batch size and calls in which a loss falls, where the source's batch and 240 calls would not do or take long.
LEARNING = {
    "cnn_mnist_train": (8, 800),
    "gan_step": (10, 45),
    "cgan_step": (10, 45),
    "resnet20_cifar_train": (8, 48),
    "vae_train": (20, 60),
    "resnet50_train": (8, 6),
}
# Torch's counter sees all their FLOPs. Of other work, such as fused recurrent layers and elementwise functions, it sees
# a part: those FLOPs are known costs, computed from formulas of their own.
COUNTED_BY_TORCH = (
    *("gan_step", "cgan_step", "gemm", "mlp_train", "mlp_infer", "mlp_accuracy", "ann_train", "custom_autograd_mlp"),
    *("vae_train", "ar_ols_batched", "cnn_mnist_train", "conv2d_grid", "resblock_identity", "resblock_projection"),
    *("conv_transpose2d_grid",),
)
# Torch's counter also counts the products that a causal mask makes superfluous.
MASKED = ("attention_prefill",)
# Settings that would take longer than what they could show is worth.
SKIPPED = {"T80h64", "T5h1024", "k3s1p1-256x256", "k7s1p3-64x64", "k4s2p1-512x128", "T2048"}
SETTINGS = [
    (name, setting)
    for name in LIGHT
    for setting in (tuple(workloads.get(name).settings) or ("",))
    if setting not in SKIPPED
]
# Settings that take long and draw from the seed what another setting of the workload draws.
DRAWN_ALIKE = {("arma_css_fit", "loop"), ("arima_fit", "loop")}
DTYPES = ("fp32", "bf16")


def tensors(output: Any) -> dict[str, Tensor]:
    """The tensors of a step's output by name."""
    return output if isinstance(output, dict) else {"": output}


def assert_each_optimizer_updates_its_module(step: Step) -> None:
    assert step.optimizers.keys() == step.modules.keys()
    for key, module in step.modules.items():
        updated = [id(p) for group in step.optimizers[key].param_groups for p in group["params"]]
        assert sorted(updated) == sorted(id(p) for p in module.parameters())


def loss(output: Any) -> Tensor:
    """The loss of a training step; of a game the discriminator's."""
    return output["real"] + output["fake"] if isinstance(output, dict) else output


def assert_flops_agree(step: Step, w: Workload, by_torch: int) -> None:
    """Step and workload state the FLOPs that torch counts, or more where torch does not see all."""
    if step.flops is not None and w.name not in MASKED:
        assert step.flops >= by_torch
    if w.name in COUNTED_BY_TORCH or (step.flops is not None and w.known_costs.flops is None):
        assert step.flops == by_torch


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize(
    ("name", "setting", "batch_size", "dtype"),
    [
        (*s, batch_size, dtype)
        for s in SETTINGS
        for batch_size, dtype in ((3, "fp32"), (2, "bf16"))
        if dtype in workloads.get(s[0]).dtypes
    ],
)
def test_light_workload_runs_in_every_setting_and_counts_as_torch(
    name: str, setting: str, batch_size: int, dtype: str
) -> None:
    step = workloads.build(Case(name, batch_size=batch_size, dtype=dtype, setting=setting))
    assert step.units >= batch_size
    assert step.flops is None or step.flops > 0
    w = workloads.get(name)
    if setting == w.first_setting:
        if w.known_costs.parameters is not None:
            assert step.parameters == w.known_costs.parameters
        if w.known_costs.flops is not None:
            assert step.flops == w.known_costs.flops * step.units
    assert step.data
    assert step.devices == ("cpu",)
    if dtype == "fp32":  # counting takes long where there are thousands of operations
        with FlopCounterMode(display=False) as counter:
            output = step()
        assert_flops_agree(step, w, counter.get_total_flops())
    else:
        with convolutions_of(dtype):
            output = step()
    for value in tensors(output).values():
        assert value.isfinite().all()
        assert not value.requires_grad


@pytest.mark.long
@pytest.mark.parametrize("name", HEAVY)
def test_heavy_workload_runs_and_reads_no_value_on_the_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.workloads.vision.resnet50.SIDE", 64)
    monkeypatch.setattr("bench_core.workloads.vision.segmentation.SIDE", 64)
    monkeypatch.setattr(BuildContext, "resident_batches", lambda ctx, _: 1)
    draw_quickly(monkeypatch)
    w = workloads.get(name)
    step = workloads.build(Case(name, batch_size=2))
    assert step.units == 2
    if w.kind == "train":
        assert_each_optimizer_updates_its_module(step)
    with NoScalars.within(step), FlopCounterMode(display=False) as counter:
        output = step()
    assert step.flops == counter.get_total_flops() or (step.flops is None and w.known_costs.flops is None)
    for value in tensors(output).values():
        assert value.isfinite().all()
        assert not value.requires_grad


class NoScalars(TorchDispatchMode):
    """Refuses to hand a tensor's value to Python, as ``.item()`` does: a GPU would have to be waited for."""

    paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert self.paused or func is not torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))

    @classmethod
    def within(cls, step: Step) -> NoScalars:
        """Refuses it within a step, except within its optimizers: on a CPU, Adam reads its own count of steps."""
        mode = cls()
        for optimizer in step.optimizers.values():
            optimizer.register_step_pre_hook(lambda *_: setattr(mode, "paused", True))
            optimizer.register_step_post_hook(lambda *_: setattr(mode, "paused", False))
        return mode


class Fp32Convolutions(TorchDispatchMode):
    """Computes bf16 convolutions in fp32 and rounds what comes out."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default):
            return func(*args, **(kwargs or {}))
        wide = tree_map_only(Tensor, Tensor.float, (args, kwargs or {}))
        return tree_map_only(Tensor, lambda x: x.to(args[0].dtype), func(*wide[0], **wide[1]))


def convolutions_of(dtype: str) -> contextlib.AbstractContextManager[Any]:
    """Where the CPU has no bf16 instructions, a single call of a large network in bf16 would take minutes."""
    emulated = dtype == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return Fp32Convolutions() if emulated else contextlib.nullcontext()


@pytest.mark.parametrize("name", workloads.names())
def test_statements_of_a_workload_say_something(name: str) -> None:
    w = workloads.get(name)
    assert len(w.summary) > 20
    assert "\n" not in w.summary
    assert len(w.source) > 40
    assert w.known_costs.description or w.known_costs == KnownCosts(), "figures need words for the catalog"
    assert not w.regime or len(w.regime) > 30, "what it is bound by, and why"


@pytest.mark.parametrize("name", workloads.names())
def test_batches_of_the_cpu_are_measured_on_the_gpu_too(name: str) -> None:
    w = workloads.get(name)
    on_cpu, on_gpu = (set(w.batch_sizes(device, "full")) for device in ("cpu", "cuda"))
    assert on_cpu <= set(w.batch_sizes("cuda")) or not on_gpu, "else there is no speedup at those batches"


def test_names_of_counted_workloads_exist() -> None:
    assert set(COUNTED_BY_TORCH) <= set(LIGHT)


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize(("name", "setting"), [s for s in SETTINGS if s not in DRAWN_ALIKE])
def test_outputs_follow_from_the_seed(name: str, setting: str) -> None:
    def first(seed: int) -> Tensor:
        output = workloads.build(Case(name, batch_size=4, setting=setting, seed=seed))()
        return torch.cat([value.flatten() for value in tensors(output).values()])

    one = first(0)
    assert torch.equal(one, first(0))
    assert not torch.allclose(one, first(1), rtol=1e-3)


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize("name", [name for name in LIGHT if not workloads.get(name).no_parity])
def test_fp32_agrees_with_float64(name: str) -> None:
    w, case = workloads.get(name), Case(name, batch_size=4)
    for ours, exact in zip(
        tensors(building.build_anywhere(w, case)()).values(),
        tensors(building.build_anywhere(w, case, storage=torch.float64)()).values(),
        strict=True,
    ):
        assert exact.dtype == torch.float64
        assert torch.linalg.norm(ours - exact) <= 1e-5 * torch.linalg.norm(exact)


@pytest.mark.parametrize("name", [*TRAINING, "resnet20_cifar_train", "resnet50_train"])
def test_training_moves_every_weight_and_the_loss_falls(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 10**6)
    monkeypatch.setattr("bench_core.workloads.vision.resnet50.SIDE", 32)
    draw_quickly(monkeypatch)
    batch_size, calls = LEARNING.get(name, (workloads.get(name).reference_batch, 240))
    step = workloads.build(Case(name, batch_size=batch_size))
    assert_each_optimizer_updates_its_module(step)
    weights = [p for module in step.modules.values() for p in module.parameters()]
    before = [p.detach().clone() for p in weights]
    losses = torch.stack([loss(step()) for _ in range(calls)])
    assert not losses.requires_grad
    assert not any(torch.equal(p, was) for p, was in zip(weights, before, strict=True))
    assert all(p.requires_grad for p in weights)
    few = calls // 6
    assert losses[-few:].mean() < 0.8 * losses[:few].mean()


@pytest.mark.parametrize("name", TRAINING)
def test_training_restarts_from_the_first_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 16)  # two cycles of the eight batches
    step = workloads.build(Case(name, batch_size=8))
    losses = torch.stack([loss(step()) for _ in range(40)])
    assert not torch.allclose(losses[0], losses[8]), "the same batch, later"
    assert torch.allclose(losses[:16], losses[16:32])
    assert torch.allclose(losses[:8], losses[32:])


def test_reading_a_value_on_the_host_is_noticed() -> None:
    with NoScalars(), pytest.raises(AssertionError):
        torch.ones(()).item()


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize("name", TRAINING)
def test_light_training_step_reads_no_value_on_the_host(name: str) -> None:
    step = workloads.build(Case(name, batch_size=1))
    with NoScalars.within(step):
        step()


@pytest.fixture
def synchronizing_is_an_error() -> Iterator[Callable[[str], None]]:
    yield torch.cuda.set_sync_debug_mode
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ALL_TRAINING)
def test_training_step_does_not_wait_for_the_gpu(name: str, synchronizing_is_an_error: Callable[[str], None]) -> None:
    step = workloads.build(Case(name, device="cuda", batch_size=2))
    step()
    step()
    synchronizing_is_an_error("error")
    step()


@pytest.mark.usefixtures("one_batch")
@pytest.mark.parametrize("variant", ["eager", "channels_last"])
@pytest.mark.parametrize(
    "name", ["conv2d_grid", "conv_transpose2d_grid", "resblock_projection", "se_block", "resnet20_cifar_train"]
)
def test_memory_layout_of_images_follows_the_variant(name: str, variant: str) -> None:
    inputs: list[Tensor] = []
    step = workloads.build(Case(name, batch_size=2, variant=variant))
    step.modules["model"].register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    step()
    assert inputs[0].is_contiguous() == (variant == "eager")
    assert inputs[0].is_contiguous(memory_format=torch.channels_last) == (variant == "channels_last")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Case("mlp"), r"no workload 'mlp'; there are: .*mlp_train"),
        (Case("mlp_train", device="tpu"), "no device 'tpu'; there are: cpu, cuda"),
        (Case("mlp_train", dtype="fp8"), "no dtype 'fp8'; there are: fp32"),
        (Case("mlp_train", dtype="fp16"), "not defined in fp16; it is in: fp32"),
        (Case("mlp_train", variant="channels_last"), "has no variant 'channels_last'; it has: eager, compile"),
        (Case("mlp_train", batch_size=0), "batch size 0 is not a whole number above 0; .* 1, 16, 64, 512, 4096"),
        (Case("conv2d_grid", setting="k9"), "has no setting 'k9'; it has: k3s1p1-64x64, "),
        (Case("lstm_ar_train", setting="h64T5"), "has no setting 'h64T5'; it has: T5h64, "),
    ],
)
def test_case_that_does_not_exist_is_refused_with_what_does(case: Case, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        workloads.build(case)
