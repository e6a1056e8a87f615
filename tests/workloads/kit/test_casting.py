"""How a case computes in 16 bits: with numbers stored in them, or under autocast."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.optim import SGD

from bench_core import Case, workloads
from bench_core.core.errors import CaseError, DefinitionError
from bench_core.core.modes import Casting
from bench_core.workloads.kit import BuildContext, Step, training, workload
from bench_core.workloads.kit.building import build, why_unsupported
from bench_core.workloads.kit.context import RESIDENT_BYTES


def declared(kind, **facts):
    return workload(
        family="own", kind=kind, unit="row", source="here", batches={"cpu": (4,)}, reference_batch=4, **facts
    )


@declared("infer")
def doubled(ctx: BuildContext) -> Step:
    """Doubles its weights' product with the inputs."""
    model = ctx.model(lambda: nn.Linear(3, 3), train=False)
    inputs = ctx.normal(ctx.batch_size, 3)
    fn = ctx.autocasted(lambda: model(inputs))
    return ctx.step(fn, units=4, flops=None, data=str(inputs.dtype), modules={"model": model})


def trained(ctx: BuildContext) -> Step:
    """Trains a layer."""
    model = ctx.model(lambda: nn.Linear(3, 1), train=True)
    optimizer = SGD(model.parameters(), lr=0.1)
    batches = [(ctx.normal(ctx.batch_size, 3), ctx.normal(ctx.batch_size, 1))]
    fn = training(ctx, model, optimizer, nn.functional.mse_loss, batches)
    return ctx.step(fn, units=4, flops=None, data="", modules={"model": model}, optimizers={"model": optimizer})


HALF = Case("doubled", batch_size=4, dtype="bf16")


def dtypes_of(step):
    """Of the weights, of the inputs, and of the output."""
    return {p.dtype for p in step.modules["model"].parameters()}, step.data, step().dtype


class TestInference:
    def test_weights_and_inputs_are_stored_in_the_dtype(self):
        assert dtypes_of(build(doubled, HALF)) == ({torch.bfloat16}, "torch.bfloat16", torch.bfloat16)

    def test_autocast_keeps_them_in_fp32_and_casts_in_the_call(self):
        step = build(doubled, replace(HALF, variant="autocast"))
        assert dtypes_of(step) == ({torch.float32}, "torch.float32", torch.bfloat16)

    def test_fp32_is_as_it_was(self):
        assert dtypes_of(build(doubled, replace(HALF, dtype="fp32"))) == (
            {torch.float32},
            "torch.float32",
            torch.float32,
        )

    def test_the_numbers_are_those_of_fp32_rounded(self):
        exact, half = (build(doubled, replace(HALF, dtype=dtype)).modules["model"].weight for dtype in ("fp32", "bf16"))
        assert torch.equal(exact.to(torch.bfloat16), half)

    def test_float64_stays_float64(self):
        step = build(doubled, HALF, storage=torch.float64)
        assert dtypes_of(step) == ({torch.float64}, "torch.float64", torch.float64)

    def test_as_many_batches_as_exceed_the_cache_though_each_is_half_as_large(self, monkeypatch):
        monkeypatch.setattr("bench_core.hardware.device.Cpu.cache_bytes", lambda _: 2**20)
        counts = [
            contexts(replace(HALF, caches="cold", dtype=dtype)).resident_batches(2**16) for dtype in ("fp32", "bf16")
        ]
        assert counts == [2 * 16 + 2, 2 * 32 + 2]


def contexts(case):
    """The context with which a case of an inference workload is built."""
    seen = []

    def build_it(ctx: BuildContext) -> Step:
        """Keeps its context."""
        seen.append(ctx)
        ctx.resident_batches(2**16)
        return ctx.step(lambda: torch.ones(1), units=1, flops=None, data="")

    build(declared("infer")(build_it), case)
    return seen[0]


class TestTraining:
    def test_it_runs_under_autocast(self):
        step = build(declared("train")(trained), replace(HALF, workload="trained"))
        assert {p.dtype for p in step.modules["model"].parameters()} == {torch.float32}

    def test_a_pipeline_that_trains_has_to_say_so(self):
        with pytest.raises(DefinitionError, match=r"it trains; declare casting=Casting\.AUTOCAST"):
            build(declared("pipeline")(trained), replace(HALF, workload="trained"))
        step = build(declared("pipeline", casting=Casting.AUTOCAST)(trained), replace(HALF, workload="trained"))
        assert {p.dtype for p in step.modules["model"].parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("gemm", {"dtype": "fp32", "variant": "autocast"}, "autocast is a variant of bf16 and fp16, not of fp32"),
        ("mlp_train", {"variant": "autocast"}, "mlp_train trains: in bf16 it runs under autocast in every variant"),
        ("gemm", {"variant": "autocasting"}, "no variant 'autocasting'; there are: eager, .*, autocast, or several"),
    ],
)
def test_where_there_is_no_such_variant_the_reason_says_so(name, changes, reason):
    with pytest.raises(CaseError, match=reason):
        build(workloads.get(name), replace(Case(name, batch_size=64, dtype="bf16"), **changes))


def test_every_inference_has_autocast_and_no_training_has_numbers_stored_in_16_bits():
    for w in map(workloads.get, workloads.names()):
        case = Case(w.name, batch_size=w.reference_batch, dtype="bf16", variant="autocast")
        if "bf16" not in w.dtypes or w.gpu_only or w.over_ranks:
            continue
        assert (why_unsupported(w, case) is None) == (w.casting is Casting.STORED)
        assert w.casting is Casting.AUTOCAST or w.kind != "train"


def test_hot_batches_fill_the_same_memory():
    counts = [contexts(replace(HALF, dtype=dtype)).resident_batches(RESIDENT_BYTES // 2) for dtype in ("fp32", "bf16")]
    assert counts == [2, 4]
