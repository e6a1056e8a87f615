"""The parity gate: planted faults fail a case before it is timed, and sound steps pass."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench_core import Case, workloads
from bench_core.core.errors import ParityError
from bench_core.execution.parity import reference
from bench_core.execution.parity.gate import Gate
from bench_core.execution.parity.judge import MOST, TOLERANCES, judge
from bench_core.execution.parity.reference import Reference
from bench_core.execution.runner import Effort, run_case
from bench_core.storage.files import encode
from bench_core.workloads.kit.definition import KnownCosts, workload
from bench_core.workloads.kit.flops import forward_flops, training_flops
from bench_core.workloads.kit.loops import inference, training
from bench_core.workloads.vision import resnet

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

QUICK = Effort(max_time=0.02)


def judged(case, step=None, plant=lambda step: None):
    """The gate's judgement of a case's first call, with a fault planted in the built step."""
    step = step or workloads.build(case)
    plant(step)
    gate = Gate(case, step)
    gate.after_first(step())
    return gate.result()


def small_model():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def trained(ctx, make=small_model, train=True, other=False, loss=F.cross_entropy):
    """A small training, in which a fault can be planted where a workload's author would make it."""
    model = ctx.model(make, train=train)
    bound = ctx.model(make, train=train) if other else model
    optimizer = torch.optim.SGD(bound.parameters(), lr=0.1)
    batches = [(ctx.normal(ctx.batch_size, 1, 8, 8), ctx.tensor(ctx.rng.integers(0, 3, ctx.batch_size)))]
    return ctx.step(
        training(ctx, model, optimizer, loss, batches),
        units=ctx.batch_size,
        flops=training_flops(model, (ctx.batch_size, 1, 8, 8)),
        data="normal random numbers",
        modules={"model": model},
        optimizers={"model": optimizer},
    )


@pytest.fixture
def own(monkeypatch, tmp_path):
    """Registers a workload of the test's own and returns its case."""

    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))  # two tests' workloads may lie in the same file

    def register(build, kind="train", **facts):
        build.__name__, build.__doc__ = "own", "A workload of a test."
        facts = {"batches": {"cpu": (4,), "cuda": (4,)}, "reference_batch": 4} | facts
        made = workload(family="own", kind=kind, unit="image", source="a test", **facts)(build)
        known = dict(workloads.registry())
        monkeypatch.setattr(workloads, "registry", lambda: known | {"own": made})
        return Case("own", batch_size=4)

    return register


class TestSoundSteps:
    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    @pytest.mark.parametrize("name", ["mlp_train", "lstm_ar_train", "gan_step", "conv2d_grid"])
    def test_pass(self, name, dtype):
        found = judged(Case(name, batch_size=4, dtype=dtype))
        assert 0 < found.error <= found.tolerance
        assert found.error == found.errors[found.quantity]
        assert found.batch_size == 4
        assert found.seconds > 0

    def test_a_training_is_held_to_its_outputs_gradients_and_update(self):
        found = judged(Case("gan_step", batch_size=4))
        players = [
            f"{what} of {player}" for player in ("generator", "discriminator") for what in ("gradients", "update")
        ]
        assert list(found.errors) == ["outputs", *players]
        assert max(error for name, error in found.errors.items() if "update" not in name) < 1e-5

    def test_the_error_grows_with_the_dtype(self):
        fp32, bf16 = (judged(Case("gemm", batch_size=64, dtype=dtype)).error for dtype in ("fp32", "bf16"))
        assert fp32 < 1e-6 < 1e-4 < bf16 < 1e-2

    def test_is_recorded(self):
        _, record = run_case(Case("mlp_train", batch_size=4), QUICK)
        assert record.parity is not None
        assert json.dumps(encode(record))
        assert "parity" not in record.unavailable

    def test_of_one_that_cannot_be_held_the_reason_is_recorded(self, own):
        case = own(trained, no_parity="only a test")
        _, record = run_case(case, QUICK)
        assert record.parity is None
        assert record.unavailable["parity"] == "only a test"

    def test_that_would_take_minutes_in_float64_are_held_at_a_smaller_batch(self, monkeypatch):
        flops = workloads.get("mlp_train").known_costs.flops
        monkeypatch.setattr(reference, "MOST_FLOPS", 20 * flops)
        assert judged(Case("mlp_train", batch_size=64)).batch_size == 16
        assert judged(Case("mlp_train", batch_size=8)).batch_size == 8


class TestFaultsInTheStep:
    """The step differs from what its workload says: the device's, dtype's or variant's fault."""

    def test_wrong_stride(self):
        def plant(step):
            step.modules["model"].stride = (2, 2)

        with pytest.raises(ParityError, match="the outputs differ from a float64 reference"):
            judged(Case("conv2d_grid", batch_size=2), plant=plant)

    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    def test_wrong_stride_that_keeps_the_shape(self, dtype):
        def plant(step):
            block = step.modules["model"]
            block.conv1.stride, block.conv2.stride = (1, 1), (2, 2)

        with pytest.raises(ParityError, match=f"outputs differ from a float64 reference by .*, {dtype} allows"):
            judged(Case("resblock_projection", batch_size=2, setting="forward", dtype=dtype), plant=plant)

    @pytest.mark.parametrize(
        ("name", "dtype", "one", "other"),
        [
            ("lstm_ar_train", "fp32", 0, 1),  # input and forget: with first weights nearly the same, so lost in bf16
            ("lstm_ar_train", "bf16", 1, 2),  # forget and cell
            ("gru_ar_train", "fp32", 0, 1),
            ("gru_ar_train", "bf16", 1, 2),
        ],
    )
    def test_swapped_recurrent_gates(self, name, dtype, one, other):
        def plant(step):
            layer = step.modules["model"].recurrent
            for weight in layer.parameters():
                gates = list(weight.detach().split(layer.hidden_size))
                gates[one], gates[other] = gates[other].clone(), gates[one].clone()
                weight.data.copy_(torch.cat(gates))

        with pytest.raises(ParityError, match="differ from a float64 reference"):
            judged(Case(name, batch_size=8, dtype=dtype), plant=plant)

    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    def test_a_model_left_in_eval_mode(self, dtype):
        case = Case("resblock_identity", batch_size=2, setting="forward_backward", dtype=dtype)
        with pytest.raises(ParityError, match="another mode"):
            judged(case, plant=lambda step: step.modules["model"].eval())

    def test_a_model_that_goes_into_eval_mode_when_called(self):
        def plant(step):
            step.modules["model"].register_forward_pre_hook(lambda model, _: model.eval() and None)

        with pytest.raises(ParityError, match="outputs differ"):
            judged(Case("resblock_identity", batch_size=2, setting="forward_backward"), plant=plant)

    def test_an_optimizer_of_another_model(self):
        def plant(step):
            group = step.optimizers["model"].param_groups[0]
            group["params"] = [p.detach().clone().requires_grad_() for p in group["params"]]

        with pytest.raises(ParityError, match="no optimizer of the step holds"):
            judged(Case("mlp_train", batch_size=8), plant=plant)

    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    @pytest.mark.parametrize("name", ["mlp_train", "ann_train", "gan_step"])
    def test_an_optimizer_that_does_nothing(self, name, dtype):
        def plant(step):
            for optimizer in step.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = 0.0

        with pytest.raises(ParityError, match="differ from a float64 reference"):
            judged(Case(name, batch_size=8, dtype=dtype), plant=plant)

    def test_bf16_under_the_name_fp32(self):
        for name in ("mlp_train", "lstm_ar_train", "conv2d_grid", "gemm", "resblock_identity"):
            case = Case(name, batch_size=64 if name == "gemm" else 4)
            step = workloads.build(replace(case, dtype="bf16"))
            with pytest.raises(ParityError, match="fp32 allows"):
                judged(case, step)

    def test_values_that_are_not_finite(self):
        with pytest.raises(ParityError, match="by nan of their size"):
            judged(
                Case("mlp_train", batch_size=4),
                plant=lambda step: step.modules["model"][1].weight.data.fill_(torch.nan),
            )


class TestFaultsInTheSource:
    """The workload itself is wrong, so its reference is too: seen by what must hold of any."""

    def test_sound(self, own):
        assert judged(own(trained)).error < 1e-5

    def test_wrong_stride(self, own, monkeypatch):
        known = workloads.get("resblock_identity")
        make = resnet.ResidualBlock

        def wide(channels_in, channels_out, stride=1):
            block = make(channels_in, channels_out, stride)
            block.conv1.stride, block.conv2.padding = (2, 2), (15, 15)
            return block

        monkeypatch.setattr(resnet, "ResidualBlock", wide)
        with pytest.raises(ParityError, match=r"\d+ FLOPs; the workload's anchor says \d+"):
            judged(Case(known.name, batch_size=2))

    def test_another_model(self, own):
        case = own(trained, anchor=KnownCosts("", parameters=477))
        with pytest.raises(ParityError, match="483 parameters; the workload's anchor says 477"):
            judged(case)

    def test_a_model_left_in_eval_mode(self, own):
        with pytest.raises(ParityError, match="in evaluation mode, but it is to be trained"):
            judged(own(lambda ctx: trained(ctx, train=False)))

    def test_an_optimizer_of_another_model(self, own):
        with pytest.raises(ParityError, match="weights that no optimizer of the step holds"):
            judged(own(lambda ctx: trained(ctx, other=True)))

    def test_bf16_by_autocast(self, own):
        def half(logits, targets):
            with torch.autocast("cpu", torch.bfloat16):
                return F.cross_entropy(logits @ torch.eye(3, dtype=logits.dtype), targets)

        with pytest.raises(ParityError, match="fp32 allows"):
            judged(own(lambda ctx: trained(ctx, loss=half)))

    def test_bf16_by_a_cast(self, own):
        def half(ctx):
            model = ctx.model(lambda: nn.Linear(8, 8), train=False)
            rows = [ctx.normal(ctx.batch_size, 8)]
            run = inference(ctx, model, rows)
            return ctx.step(
                lambda: run().bfloat16().to(ctx.storage),
                units=ctx.batch_size,
                flops=forward_flops(model, (ctx.batch_size, 8)),
                data="normal random numbers",
                modules={"model": model},
            )

        with pytest.raises(ParityError, match=r"computes in torch\.bfloat16"):
            judged(own(half, kind="infer"))


def test_a_fault_ends_the_case_at_its_first_call(own):
    calls = []

    def counted(ctx):
        step = trained(ctx, loss=lambda logits, targets: F.cross_entropy(logits.bfloat16().float(), targets))
        return replace(step, fn=lambda: calls.append(ctx.storage) or step.fn())

    case = own(counted)
    with pytest.raises(ParityError):
        run_case(case, QUICK)
    assert calls.count(torch.float32) <= 1


class TestTheReference:
    def test_is_computed_once_and_kept(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))
        case = Case("conv2d_grid", batch_size=1)
        first = reference.reference(case)
        (kept,) = (tmp_path / "references").iterdir()
        monkeypatch.setattr(reference, "_computed", lambda *_: pytest.fail("computed again"))
        again = reference.reference(replace(case, device="cuda", dtype="bf16", variant="channels_last"))
        assert again.moved == first.moved
        assert (again.values["outputs"] == first.values["outputs"]).all()
        monkeypatch.undo()
        monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))
        kept.write_bytes(kept.read_bytes()[:500])
        assert reference.reference(case).moved == first.moved, "a damaged file is computed anew"

    @pytest.mark.parametrize("change", ["source", "torch", "seed", "batch", "data"])
    def test_is_another_where_what_it_depends_on_changes(self, change, tmp_path, monkeypatch):
        case, data = Case("mlp_train", batch_size=2), tmp_path / "data"
        data.mkdir()
        (data / "file").write_text("a")
        before = reference._path(case, data)
        assert before == reference._path(case, data)
        if change == "source":
            read = reference.Path.read_text
            monkeypatch.setattr(
                reference.Path, "read_text", lambda path: read(path) + ("#" if "mlp" in path.name else "")
            )
        elif change == "torch":
            monkeypatch.setattr(torch, "__version__", "2.99")
        elif change == "data":
            (data / "file").write_text("ab")
        case = replace(case, seed=int(change == "seed"), batch_size=2 + (change == "batch"))
        assert reference._path(case, data) != before

    def test_does_without_a_place_to_keep_it(self, monkeypatch):
        monkeypatch.setenv("BENCH_CORE_CACHE", "/proc/nowhere")
        assert reference.reference(Case("gemm", batch_size=4)).values["outputs"].size == 16

    def test_tells_smooth_work_from_work_that_jumps(self):
        smooth = Reference({}, (), 0, (8, 16), {"outputs": (2.0**-8, 2.0**-16)})
        jumpy = Reference({}, (), 0, (8, 16), {"outputs": (2.0**-4, 2.0**-8)})
        for bits in (8, 11, 24):
            assert smooth.sensitivity("outputs", 2.0**-bits) == pytest.approx(2.0**-bits)
            assert jumpy.sensitivity("outputs", 2.0**-bits) == pytest.approx(2.0 ** (-bits / 2))

    def test_allows_for_one_jump_where_one_may_be_met(self):
        def jump(count):
            return Reference({}, (), count, (8, 16), {"outputs": (0.1, 0.01)}).jump("outputs", 2.0**-24)

        assert jump(1000) == 0.0
        assert jump(2**20) == pytest.approx(0.1 / 64), "of 4,096 jumps at 8 bits"
        assert jump(2**26) == pytest.approx(0.1 / 512 * 2), "of four jumps"

    def test_that_rounding_alone_changes_wholly_leaves_a_quantity_unjudged(self):
        values = {"outputs": np.ones(3), "gradients of model": np.ones(3), "update of model": np.ones(3)}
        moved = {"outputs": (1e-5,), "gradients of model": (0.12,), "update of model": (0.12,)}
        chaotic = Reference(values, (), 10**7, (16,), moved)
        seen = values | {"gradients of model": -np.ones(3), "update of model": np.zeros(3)}
        found = judge(Case("any", dtype="bf16"), seen, chaotic)
        assert found.inconclusive == ("gradients of model", "update of model")
        assert (found.quantity, found.error) == ("outputs", 0.0)
        with pytest.raises(ParityError, match=r"the (gradients|update) of model differ"):
            judge(Case("any", dtype="fp32"), seen, chaotic)

    def test_is_not_misled_by_one_rounding_that_happens_to_change_nothing(self):
        for moved in ((2.0**-8, 2.0**-12, 1e-9), (1e-9, 2.0**-12, 2.0**-16), (2.0**-8, 0.0, 0.0)):
            lucky = Reference({}, (), 0, (8, 12, 16), {"outputs": moved})
            assert lucky.sensitivity("outputs", 2.0**-24) >= 0.99 * 2.0**-24

    def test_of_a_missing_update_is_above_what_is_allowed(self):
        assert MOST < 1
        assert all(t.gradient < 1 for t in TOLERANCES.values())
