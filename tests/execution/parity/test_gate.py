"""The parity gate: planted faults fail a case before it has a time, and sound steps pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core import Case, Step, Workload, workloads
from bench_core.core.case import Effort
from bench_core.core.errors import ParityError
from bench_core.core.results import Parity
from bench_core.execution.parity import gate
from bench_core.execution.parity import judge as judging
from bench_core.execution.parity.capture import QuantityKind
from bench_core.execution.parity.reference import reference
from bench_core.execution.parity.tolerances import tolerance
from bench_core.execution.runner import run_case
from bench_core.storage.files import encode
from bench_core.workloads.kit import (
    BuildContext,
    KnownCosts,
    building,
    forward_flops,
    inference,
    training,
    training_flops,
    workload,
)
from bench_core.workloads.vision import resnet
from tests.support import parity

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread", "one_batch")

QUICK = Effort(max_time=0.02)
OWN = Case("own", batch_size=4)


def check_with_fault(case: Case, plant: Callable[[Step], Any]) -> Parity:
    """Check the first call of a case, with a fault planted in the built step."""
    step = workloads.build(case)
    plant(step)
    return parity.check(case, step)


def step_by(optimizer: torch.optim.Optimizer, share: float) -> None:
    """A step of the optimizer, with this share of its learning rates."""
    groups = optimizer.param_groups
    rates = [group["lr"] for group in groups]
    for group in groups:
        group["lr"] *= share
    type(optimizer).step(optimizer)
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate


def small_model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def trained(
    ctx: BuildContext,
    make: Callable[[], nn.Module] = small_model,
    train: bool = True,
    other: bool = False,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Step:
    """A small training, in which a fault can be planted where a workload's author would make it."""
    model = ctx.model(make, train=train)
    optimized = ctx.model(make, train=train) if other else model
    optimizer = torch.optim.SGD(optimized.parameters(), lr=0.1)
    batches = [(ctx.normal(ctx.batch_size, 1, 8, 8), ctx.tensor(ctx.rng.integers(0, 3, ctx.batch_size)))]
    return ctx.step(
        training(ctx, model, optimizer, loss, batches),
        units=ctx.batch_size,
        flops=training_flops(model, (ctx.batch_size, 1, 8, 8)),
        data="normal random numbers",
        modules={"model": model},
        optimizers={"model": optimizer},
    )


def half_by_autocast(logits: Tensor, targets: Tensor) -> Tensor:
    """A loss in bf16 whatever dtype is asked for; float64 is not autocast, so only its first call shows it."""
    with torch.autocast("cpu", torch.bfloat16):
        return F.cross_entropy(logits @ torch.eye(3, dtype=logits.dtype), targets)


Declare = Callable[..., Workload]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Declare:
    """Declares a workload of the test, named "own"."""
    # The references of two tests would have the same name: their workloads are in the same file.
    monkeypatch.setenv("BENCH_CORE_CACHE", str(tmp_path))

    def declare(build: Callable[[BuildContext], Step], kind: str = "train", **facts: Any) -> Workload:
        def own(ctx: BuildContext) -> Step:
            """A workload of a test."""
            return build(ctx)

        facts = {"batches": {"cpu": (1, 4), "cuda": (4,)}, "reference_batch": 4} | facts
        return workload(family="own", kind=kind, unit="image", source="a test", **facts)(own)

    return declare


def check_own(w: Workload) -> Parity:
    return parity.check(OWN, workload=w)


class TestSoundSteps:
    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    @pytest.mark.parametrize("name", ["mlp_train", "lstm_ar_train", "gan_step", "conv2d_grid"])
    def test_sound_step_passes(self, name: str, dtype: str) -> None:
        result = parity.check(Case(name, batch_size=4, dtype=dtype))
        assert 0 < result.error <= result.tolerance
        assert result.error == result.errors[result.quantity]
        assert result.batch_size == 4
        assert result.seconds > 0

    @pytest.mark.parametrize("name", ["mlp_train", "ann_train", "lstm_ar_train"])
    def test_update_is_compared_with_that_of_its_own_gradients(self, name: str) -> None:
        errors = parity.check(Case(name, batch_size=4, dtype="bf16")).errors
        updates = [error for quantity, error in errors.items() if quantity.startswith("update")]
        assert max(updates) < 1e-3 < max(errors.values())

    def test_batch_norm_that_sums_equal_pixels_one_by_one_passes(self, own: Declare) -> None:
        """On a CPU, torch sums up a channel in fp32 and one by one if its channels come last."""

        def normalized(ctx: BuildContext) -> Step:
            model = ctx.model(lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)), train=True)
            images = ctx.rng.standard_normal((ctx.batch_size, 1, 34, 34))
            images[..., 8:, :] = -1.1
            return ctx.step(
                inference(ctx, model, [ctx.tensor(images)]),
                units=ctx.batch_size,
                flops=None,
                data="normal random numbers with a background",
                modules={"model": model},
            )

        w = own(normalized, kind="op")
        rows, last = (
            parity.check(Case("own", batch_size=128, variant=variant), workload=w)
            for variant in ("eager", "channels_last")
        )
        assert rows.error < 1e-6 < 1e-5 < last.error <= last.tolerance
        assert rows.tolerance < last.tolerance / 100

    def test_training_is_checked_by_outputs_gradients_and_update(self) -> None:
        result = parity.check(Case("gan_step", batch_size=4))
        players = [
            f"{what} of {player}" for player in ("generator", "discriminator") for what in ("gradients", "update")
        ]
        assert list(result.errors) == ["outputs", *players]
        assert max(error for name, error in result.errors.items() if "update" not in name) < 1e-5

    def test_error_grows_with_the_roundoff_of_the_dtype(self) -> None:
        fp32, bf16 = (parity.check(Case("gemm", batch_size=64, dtype=dtype)).error for dtype in ("fp32", "bf16"))
        assert fp32 < 1e-6 < 1e-4 < bf16 < 1e-2

    def test_result_is_stored_with_the_record(self) -> None:
        _, record = run_case(workloads.get("mlp_train"), Case("mlp_train", batch_size=4), QUICK)
        assert record.parity is not None
        assert json.dumps(encode(record))
        assert "parity" not in record.unavailable

    def test_reason_is_stored_for_a_workload_that_cannot_be_checked(self, own: Declare) -> None:
        _, record = run_case(own(trained, no_parity="only a test"), OWN, QUICK)
        assert record.parity is None
        assert record.unavailable["parity"] == "only a test"


class TestOneCheckPerCase:
    @pytest.fixture
    def judged(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The batch sizes at which a case was judged."""
        batches: list[int] = []
        judge = judging.judge

        def counting(case: Case, *rest: Any) -> Parity:
            batches.append(case.batch_size)
            return judge(case, *rest)

        monkeypatch.setattr(gate, "judge", counting)
        return batches

    @pytest.mark.parametrize(("batch", "checked_at"), [(8, 8), (64, 16)])
    def test_case_is_checked_once_and_at_an_affordable_batch(
        self, batch: int, checked_at: int, judged: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = workloads.get("mlp_train")
        monkeypatch.setattr(gate, "MAX_FLOPS", 20 * w.known_costs.flops)
        _, record = run_case(w, Case(w.name, batch_size=batch), QUICK)
        assert judged == [checked_at]
        assert record.parity.batch_size == checked_at
        assert record.case.batch_size == batch

    def test_case_without_a_reference_is_not_checked(self, own: Declare, judged: list[int]) -> None:
        run_case(own(trained, no_parity="only a test"), OWN, QUICK)
        assert judged == []

    def test_fault_ends_the_case_at_its_first_call(self, own: Declare) -> None:
        calls: list[torch.dtype] = []

        def counted(ctx: BuildContext) -> Step:
            step = trained(ctx, loss=half_by_autocast)
            return replace(step, fn=lambda: calls.append(ctx.storage) or step.fn())

        with pytest.raises(ParityError):
            run_case(own(counted), OWN, QUICK)
        assert calls.count(torch.float32) == 1

    def test_fault_at_a_smaller_batch_fails_the_case(self, own: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
        w = own(lambda ctx: trained(ctx, loss=half_by_autocast))
        monkeypatch.setattr(gate, "MAX_FLOPS", building.build(w, OWN).flops / 2)
        with pytest.raises(ParityError, match="own-cpu-b1-fp32"):
            run_case(w, OWN, QUICK)


class TestRareJumps:
    """A gradient through ReLUs may be off by more than its tolerance where one of them jumps, but not at two seeds."""

    CASE = Case("own", batch_size=128)
    """So many inputs of ReLUs that one may jump in fp32."""

    def declared(self, own: Declare, seeds: tuple[int, ...], share: float) -> Workload:
        """Training of which the gradients are off by a share at these seeds, but not in float64."""

        def build(ctx: BuildContext) -> Step:
            step = trained(ctx)
            if ctx.case.seed in seeds and ctx.storage is not torch.float64:
                for weight in step.modules["model"].parameters():
                    weight.register_hook(lambda gradient: gradient * (1 + share))
            return step

        return own(build, batches={"cpu": (128,), "cuda": (128,)}, reference_batch=128)

    def allowed(self, own: Declare) -> tuple[float, float]:
        """The tolerance of the gradients, usually and where one jumps."""
        exact = reference(self.declared(own, (), 0.0), self.CASE)
        (gradients,) = [quantity for quantity in exact.values if quantity.kind is QuantityKind.GRADIENTS]
        return tolerance(self.CASE, gradients, exact), tolerance(self.CASE, gradients, exact, rare=True)

    def test_gradients_that_are_off_at_one_seed_pass_with_the_tolerance_of_a_jump(self, own: Declare) -> None:
        usual, rare = self.allowed(own)
        assert usual < rare / 2
        share = 1.5 * usual
        _, record = run_case(self.declared(own, (0,), share), self.CASE, QUICK)
        assert record.parity.error == pytest.approx(share, rel=0.01)
        assert record.parity.tolerance == rare

    def test_gradients_that_are_off_at_two_seeds_fail(self, own: Declare) -> None:
        share = 1.5 * self.allowed(own)[0]
        with pytest.raises(ParityError, match=r"gradients of model: relative error .*at two seeds"):
            run_case(self.declared(own, (0, 1), share), self.CASE, QUICK)

    def test_gradients_that_are_off_at_a_smaller_batch_are_looked_at_twice_too(
        self, own: Declare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        share = 1.5 * self.allowed(own)[0]
        larger = replace(self.CASE, batch_size=256)
        monkeypatch.setattr(gate, "MAX_FLOPS", building.build(self.declared(own, (), 0.0), self.CASE).flops)
        _, record = run_case(self.declared(own, (0,), share), larger, QUICK)
        assert record.parity.batch_size == 128
        with pytest.raises(ParityError, match="at two seeds"):
            run_case(self.declared(own, (0, 1), share), larger, QUICK)

    def test_more_than_a_jump_fails_at_once(self, own: Declare) -> None:
        usual, rare = self.allowed(own)
        with pytest.raises(ParityError, match=f"exceeds the fp32 tolerance {usual:.2g}"):
            run_case(self.declared(own, (0,), 1.1 * rare), self.CASE, QUICK)


class TestFaultsInTheStep:
    """The step differs from what its workload says: a fault of the device, dtype or variant."""

    def test_wrong_stride(self) -> None:
        def plant(step: Step) -> None:
            step.modules["model"].stride = (2, 2)

        with pytest.raises(ParityError, match=r"outputs: relative error .* exceeds the fp32 tolerance"):
            check_with_fault(Case("conv2d_grid", batch_size=2), plant)

    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    def test_wrong_stride_that_keeps_the_shape(self, dtype: str) -> None:
        def plant(step: Step) -> None:
            block = step.modules["model"]
            block.conv1.stride, block.conv2.stride = (1, 1), (2, 2)

        case = Case("resblock_projection", batch_size=2, setting="forward", dtype=dtype)
        with pytest.raises(ParityError, match=f"outputs: relative error .* exceeds the {dtype} tolerance"):
            check_with_fault(case, plant)

    @pytest.mark.parametrize(
        ("name", "dtype", "one", "other"),
        [
            ("lstm_ar_train", "fp32", 0, 1),  # input and forget: with first weights nearly the same, so lost in bf16
            ("lstm_ar_train", "bf16", 1, 2),  # forget and cell
            ("gru_ar_train", "fp32", 0, 1),
            ("gru_ar_train", "bf16", 1, 2),
        ],
    )
    def test_swapped_recurrent_gates(self, name: str, dtype: str, one: int, other: int) -> None:
        def plant(step: Step) -> None:
            layer = step.modules["model"].recurrent
            for weight in layer.parameters():
                gates = list(weight.detach().split(layer.hidden_size))
                gates[one], gates[other] = gates[other].clone(), gates[one].clone()
                weight.data.copy_(torch.cat(gates))

        with pytest.raises(ParityError, match="relative error"):
            check_with_fault(Case(name, batch_size=8, dtype=dtype), plant)

    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    def test_model_left_in_evaluation_mode(self, dtype: str) -> None:
        case = Case("resblock_identity", batch_size=2, setting="forward_backward", dtype=dtype)
        with pytest.raises(ParityError, match="another mode"):
            check_with_fault(case, lambda step: step.modules["model"].eval())

    def test_model_that_goes_into_evaluation_mode_when_called(self) -> None:
        def plant(step: Step) -> None:
            step.modules["model"].register_forward_pre_hook(lambda model, _: model.eval() and None)

        with pytest.raises(ParityError, match="outputs: relative error"):
            check_with_fault(Case("resblock_identity", batch_size=2, setting="forward_backward"), plant)

    def test_optimizer_of_another_model(self) -> None:
        def plant(step: Step) -> None:
            group = step.optimizers["model"].param_groups[0]
            group["params"] = [p.detach().clone().requires_grad_() for p in group["params"]]

        with pytest.raises(ParityError, match="no optimizer of the step updates"):
            check_with_fault(Case("mlp_train", batch_size=8), plant)

    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    @pytest.mark.parametrize("name", ["mlp_train", "ann_train", "gan_step"])
    def test_optimizer_that_does_nothing(self, name: str, dtype: str) -> None:
        def plant(step: Step) -> None:
            for optimizer in step.optimizers.values():
                optimizer.step = lambda: None

        with pytest.raises(ParityError, match=r"(update of \w+|outputs): relative error"):
            check_with_fault(Case(name, batch_size=8, dtype=dtype), plant)

    @pytest.mark.parametrize("dtype", ["fp32", "bf16"])
    @pytest.mark.parametrize("name", ["mlp_train", "ann_train", "gan_step"])
    def test_optimizer_that_is_off_by_a_tenth(self, name: str, dtype: str) -> None:
        def plant(step: Step) -> None:
            for optimizer in step.optimizers.values():
                optimizer.step = partial(step_by, optimizer, 1.1)

        with pytest.raises(ParityError, match=r"(update of \w+|outputs): relative error"):
            check_with_fault(Case(name, batch_size=8, dtype=dtype), plant)

    @pytest.mark.parametrize(("option", "value"), [("lr", 0.0), ("weight_decay", 0.1)])
    def test_optimizer_with_other_options(self, option: str, value: float) -> None:
        def plant(step: Step) -> None:
            step.optimizers["model"].param_groups[0][option] = value

        with pytest.raises(ParityError, match=r"the optimizer of model is SGD .* in the reference it is SGD"):
            check_with_fault(Case("mlp_train", batch_size=8), plant)

    def test_optimizer_of_another_class(self) -> None:
        def plant(step: Step) -> None:
            step.optimizers["model"] = torch.optim.Adagrad(step.modules["model"].parameters())

        with pytest.raises(ParityError, match=r"the optimizer of model is Adagrad .* in the reference it is SGD"):
            check_with_fault(Case("mlp_train", batch_size=8), plant)

    @pytest.mark.parametrize("name", ["mlp_train", "lstm_ar_train", "conv2d_grid", "gemm", "resblock_identity"])
    def test_bf16_under_the_name_fp32(self, name: str) -> None:
        case = Case(name, batch_size=64 if name == "gemm" else 4)
        step = workloads.build(replace(case, dtype="bf16"))
        with pytest.raises(ParityError, match="exceeds the fp32 tolerance"):
            parity.check(case, step)

    def test_values_that_are_not_finite(self) -> None:
        with pytest.raises(ParityError, match="outputs: there are values that are not finite"):
            check_with_fault(
                Case("mlp_train", batch_size=4), lambda step: step.modules["model"][1].weight.data.fill_(torch.nan)
            )


class TestFaultsInTheSource:
    """The workload itself is wrong, so its reference is too: seen by what must be true of any."""

    def test_sound_workload_passes(self, own: Declare) -> None:
        assert check_own(own(trained)).error < 1e-5

    def test_wrong_stride(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make = resnet.ResidualBlock

        def wide(channels_in: int, channels_out: int, stride: int = 1) -> nn.Module:
            block = make(channels_in, channels_out, stride)
            block.conv1.stride, block.conv2.padding = (2, 2), (15, 15)
            return block

        monkeypatch.setattr(resnet, "ResidualBlock", wide)
        with pytest.raises(ParityError, match=r"\d+ FLOPs; the workload's known costs are \d+"):
            parity.check(Case("resblock_identity", batch_size=2))

    def test_another_model(self, own: Declare) -> None:
        with pytest.raises(ParityError, match="483 parameters; the workload's known costs are 477"):
            check_own(own(trained, known_costs=KnownCosts("known", parameters=477)))

    def test_model_left_in_evaluation_mode(self, own: Declare) -> None:
        with pytest.raises(ParityError, match="in evaluation mode, but it is to be trained"):
            check_own(own(lambda ctx: trained(ctx, train=False)))

    def test_optimizer_of_another_model(self, own: Declare) -> None:
        with pytest.raises(ParityError, match="weights that no optimizer of the step updates"):
            check_own(own(lambda ctx: trained(ctx, other=True)))

    def test_bf16_by_autocast(self, own: Declare) -> None:
        with pytest.raises(ParityError, match="exceeds the fp32 tolerance"):
            check_own(own(lambda ctx: trained(ctx, loss=half_by_autocast)))

    def test_bf16_by_a_cast(self, own: Declare) -> None:
        def half(ctx: BuildContext) -> Step:
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
            check_own(own(half, kind="infer"))
