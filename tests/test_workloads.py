"""What every workload keeps to."""

import copy
from itertools import product

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench_core import Case, workloads
from bench_core.workloads.kit.context import BuildContext

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

# Pipelines and what needs a GPU have tests of their own.
PLAIN = [n for n in workloads.names() if workloads.get(n).kind != "pipeline" and not workloads.get(n).gpu_only]
LIGHT = [name for name in PLAIN if not workloads.get(name).heavy]
HEAVY = [name for name in PLAIN if workloads.get(name).heavy]
TRAINING = [name for name in LIGHT if workloads.get(name).kind == "train"]
# Batch size and calls in which a loss falls, where the source's batch and 240 calls would not do or take long.
LEARNING = {
    "cnn_mnist_train": (16, 800),
    "gan_step": (20, 60),
    "cgan_step": (20, 60),
    "resnet20_cifar_train": (16, 48),
    "resnet50_train": (8, 12),
}
# FLOPs that torch's counter does not see are held to formulas of their own among the anchors.
UNSEEN = (
    *(f"{cell}_ar_train" for cell in ("lstm", "rnn", "gru")),
    *("activations_losses", "se_block", "ar1_generate", "arma_css_fit", "arima_fit"),
)
# Settings that would take longer than they tell.
SKIPPED = {"T80h64", "T5h1024", "k3s1p1-256x256", "k7s1p3-64x64"}
SETTINGS = [
    (name, setting) for name in LIGHT for setting in (workloads.get(name).settings or ("",)) if setting not in SKIPPED
]
DTYPES = ("fp32", "bf16")


def tensors(output):
    """The tensors of a step's output by name."""
    return output if isinstance(output, dict) else {"": output}


def assert_optimizers_hold_exactly_their_models(step):
    assert step.optimizers.keys() == step.modules.keys()
    for key, module in step.modules.items():
        held = [id(p) for group in step.optimizers[key].param_groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in module.parameters())


def loss(output):
    """The loss of a training step; of a game the discriminator's."""
    return output["real"] + output["fake"] if isinstance(output, dict) else output


def counted(step):
    """The FLOPs of a call as torch's counter sees them."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


@pytest.mark.parametrize("batch_size", [2, 3])
@pytest.mark.parametrize(
    ("name", "setting", "dtype"),
    [(*s, dtype) for s in SETTINGS for dtype in DTYPES if dtype in workloads.get(s[0]).dtypes],
)
def test_every_workload_runs(name, setting, batch_size, dtype):
    step = workloads.build(Case(name, batch_size=batch_size, dtype=dtype, setting=setting))
    assert step.units >= batch_size
    assert step.flops > 0
    w = workloads.get(name)
    if setting in ("", *w.settings[:1]):
        assert step.parameters == (w.known_costs.parameters or 0)
        assert step.flops == w.known_costs.flops * step.units
    assert step.data
    assert step.devices == ("cpu",)
    for value in tensors(step()).values():
        assert value.isfinite().all()
        assert not value.requires_grad


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_workloads_run(name, monkeypatch):
    monkeypatch.setattr("bench_core.workloads.resnet50.SIDE", 64)
    monkeypatch.setattr("bench_core.workloads.segmentation.SIDE", 64)
    monkeypatch.setattr(BuildContext, "model", drawn_once(BuildContext.model))
    for dtype, batch_size in product((d for d in DTYPES if d in workloads.get(name).dtypes), (1, 2)):
        step = workloads.build(Case(name, batch_size=batch_size, dtype=dtype))
        assert step.units == batch_size
        if workloads.get(name).kind == "train":
            assert_optimizers_hold_exactly_their_models(step)
        with FlopCounterMode(display=False) as counter:
            output = step()
        assert step.flops == (None if name == "arima_statsmodels_fit" else counter.get_total_flops())
        for value in tensors(output).values():
            assert value.isfinite().all()
            assert not value.requires_grad


def drawn_once(draw):
    """Weights drawn once and copied, since drawing tens of millions takes longer than a call."""
    drawn = {}

    def model(ctx, make, *, train):
        if make not in drawn:
            drawn[make] = draw(ctx, make, train=train)
        return copy.deepcopy(drawn[make])

    return model


@pytest.mark.parametrize("name", [n for n in workloads.names() if workloads.get(n).family != "gemm"])
def test_what_a_workload_says_of_itself(name):
    w = workloads.get(name)
    assert len(w.summary) > 20
    assert "\n" not in w.summary
    assert len(w.source) > 40
    assert w.known_costs.description
    assert len(w.regime) > 30
    devices = [device for device in ("cpu", "cuda") if w.batch_sizes(device, "full")]
    assert "cpu" in devices or w.gpu_only
    for device in devices:
        assert w.reference_batch in w.batch_sizes(device, "full")
        assert list(w.batch_sizes(device, "full")) == sorted(set(w.batch_sizes(device, "full")))
        assert set(w.batch_sizes(device)) | set(w.full_batches.get(device, ())) == set(w.batch_sizes(device, "full"))
    assert devices == ["cpu"] or set(w.batch_sizes("cpu", "full")) <= set(w.batch_sizes("cuda"))
    assert w.heavy or not w.full_batches


@pytest.mark.parametrize(("name", "setting"), [s for s in SETTINGS if s[0] not in UNSEEN])
def test_flops_are_those_that_torch_counts(name, setting):
    step = workloads.build(Case(name, batch_size=3, setting=setting))
    assert step.flops == counted(step)


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_outputs_follow_from_the_seed(name, setting):
    def first(seed):
        output = workloads.build(Case(name, batch_size=4, setting=setting, seed=seed))()
        return torch.cat([value.flatten() for value in tensors(output).values()])

    assert torch.equal(first(0), first(0))
    assert not torch.allclose(first(0), first(1), rtol=1e-3)


@pytest.mark.parametrize("name", LIGHT)
def test_float64_agrees(name):
    w = workloads.get(name)
    case = Case(name, batch_size=4, setting=w.settings[0] if w.settings else "")
    for ours, exact in zip(
        tensors(w.build(BuildContext(case))()).values(),
        tensors(w.build(BuildContext(case, storage=torch.float64))()).values(),
        strict=True,
    ):
        assert exact.dtype == torch.float64
        assert torch.linalg.norm(ours - exact) <= 1e-5 * torch.linalg.norm(exact)


@pytest.mark.parametrize("name", [*TRAINING, "resnet20_cifar_train", "resnet50_train"])
def test_training_moves_every_weight_and_the_loss_falls(name, monkeypatch):
    monkeypatch.setattr(build, "RESTORE_EVERY", 10**6)
    monkeypatch.setattr("bench_core.workloads.resnet50.SIDE", 32)
    batch_size, calls = LEARNING.get(name, (workloads.get(name).reference_batch, 240))
    step = workloads.build(Case(name, batch_size=batch_size))
    assert_optimizers_hold_exactly_their_models(step)
    weights = [p for module in step.modules.values() for p in module.parameters()]
    before = [p.detach().clone() for p in weights]
    losses = torch.stack([loss(step()) for _ in range(calls)])
    assert not losses.requires_grad
    assert not any(torch.equal(p, was) for p, was in zip(weights, before, strict=True))
    assert all(p.requires_grad for p in weights)
    few = calls // 6
    assert losses[-few:].mean() < 0.8 * losses[:few].mean()


@pytest.mark.parametrize("name", TRAINING)
def test_training_starts_anew_after_a_while(name, monkeypatch):
    monkeypatch.setattr(build, "RESTORE_EVERY", 24)  # thrice round the eight batches
    step = workloads.build(Case(name, batch_size=8))
    losses = torch.stack([loss(step()) for _ in range(72)])
    assert not torch.allclose(losses[0], losses[8]), "the same batch, later"
    assert torch.allclose(losses[:24], losses[24:48])
    assert torch.allclose(losses[:24], losses[48:])


@pytest.mark.parametrize("variant", ["eager", "channels_last"])
@pytest.mark.parametrize("name", ["conv2d_grid", "resblock_projection", "se_block", "resnet20_cifar_train"])
def test_images_lie_in_memory_as_the_variant_says(name, variant):
    seen = []
    step = workloads.build(Case(name, batch_size=2, variant=variant))
    step.modules["model"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    step()
    assert seen[0].is_contiguous() == (variant == "eager")
    assert seen[0].is_contiguous(memory_format=torch.channels_last) == (variant == "channels_last")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Case("mlp"), r"no workload 'mlp'; there are: .*mlp_train"),
        (Case("mlp_train", device="tpu"), "no device 'tpu'; there are: cpu, cuda"),
        (Case("mlp_train", dtype="fp8"), "no dtype 'fp8'; there are: fp32"),
        (Case("mlp_train", dtype="fp16"), "not defined in fp16; it is in: fp32"),
        (Case("mlp_train", variant="channels_last"), "has no variant 'channels_last'; it has: eager, compile"),
        (Case("mlp_train", batch_size=0), "batch size 0 is no whole number above 0; .* 1, 16, 64, 512, 4096"),
        (Case("conv2d_grid", setting="k9"), "has no setting 'k9'; it has: k3s1p1-64x64, "),
        (Case("lstm_ar_train", setting="h64T5"), "has no setting 'h64T5'; it has: T5h64, "),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(case, message):
    with pytest.raises(ValueError, match=message):
        workloads.build(case)
