"""The tunings of a step: what they change, that the work stays the same, and where there is nothing to tune."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD

from bench_core import Case, workloads
from bench_core.core.errors import CaseError, CaseSkipped
from bench_core.workloads.kit import compiling
from bench_core.workloads.kit.building import build, build_anywhere, why_unsupported
from bench_core.workloads.kit.tuning import check_convolutions, fuse, searching
from tests.support import parity

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")


class TestFused:
    @pytest.mark.parametrize("name", ["mlp_train", "ann_train", "gan_step"])
    def test_sound_and_all_groups_are_fused(self, name: str) -> None:
        case = Case(name, batch_size=8, variant="fused")
        step = build(workloads.get(name), case)
        groups = [group for optimizer in step.optimizers.values() for group in optimizer.param_groups]
        assert groups
        assert all((group["fused"], group["foreach"]) == (True, False) for group in groups)
        assert parity.check(case, step).error > 0

    def test_fused_operator_is_what_a_call_executes(self) -> None:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            build(workloads.get("mlp_train"), Case("mlp_train", batch_size=8, variant="fused"))()
        assert "aten::_fused_sgd_" in {event.key for event in profile.key_averages()}

    def test_optimizer_without_a_fused_form_is_a_skip(self) -> None:
        with pytest.raises(CaseSkipped, match="fused: torch has no fused LBFGS"):
            fuse([LBFGS([nn.Parameter(torch.ones(1))])])

    def test_step_without_an_optimizer_is_a_skip(self) -> None:
        with pytest.raises(CaseSkipped, match="fused: its step has no optimizer"):
            fuse([])

    def test_others_stay_as_they_are(self) -> None:
        step = build(workloads.get("mlp_train"), Case("mlp_train", batch_size=8))
        assert not step.optimizers["model"].param_groups[0]["fused"]
        assert not SGD([nn.Parameter(torch.ones(1))]).param_groups[0]["fused"]


class TestCudnnBenchmark:
    def test_switch_is_on_during_a_call_only(self) -> None:
        assert not torch.backends.cudnn.benchmark
        assert searching(lambda: torch.backends.cudnn.benchmark)()
        assert not torch.backends.cudnn.benchmark

    def test_switch_is_restored_after_an_error(self) -> None:
        with pytest.raises(ZeroDivisionError):
            searching(lambda: 1 / 0)()
        assert not torch.backends.cudnn.benchmark

    def test_step_searches_with_the_switch_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[bool] = []
        forward = nn.Conv2d.forward

        def watched(self: nn.Conv2d, input: Tensor) -> Tensor:
            seen.append(torch.backends.cudnn.benchmark)
            return forward(self, input)

        monkeypatch.setattr(nn.Conv2d, "forward", watched)
        for variant in ("cudnn_benchmark", "eager"):
            step = build_anywhere(workloads.get("conv2d_grid"), Case("conv2d_grid", batch_size=1, variant=variant))
            seen.clear()  # counting its FLOPs calls it, too
            step()
            assert seen == [variant == "cudnn_benchmark"]

    def test_work_without_a_convolution_is_a_skip(self) -> None:
        check_convolutions([nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(1, 1, 1))])
        with pytest.raises(CaseSkipped, match="cudnn_benchmark: there is no convolution"):
            build_anywhere(workloads.get("mlp_infer"), Case("mlp_infer", batch_size=1, variant="cudnn_benchmark"))


class TestCompiled:
    @pytest.mark.parametrize(
        ("variant", "mode", "freezing"),
        [
            ("compile", None, False),
            ("compile+max_autotune", "max-autotune-no-cudagraphs", False),
            ("compile+freezing", None, True),
            ("compile+max_autotune+freezing", "max-autotune-no-cudagraphs", True),
        ],
    )
    def test_torch_is_asked_for_it(
        self, variant: str, mode: str | None, freezing: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from torch._inductor import config

        asked: list[dict[str, Any]] = []
        monkeypatch.setattr(torch, "compile", lambda model, **options: asked.append(options) or model)
        build(workloads.get("mlp_infer"), Case("mlp_infer", batch_size=1, variant=variant))
        assert asked == [{"dynamic": False, "mode": mode}]
        assert config.freezing == freezing
        compiling.discard()
        assert not config.freezing

    def test_mode_is_one_of_torchs(self) -> None:
        from torch._inductor import list_mode_options

        options = list_mode_options(compiling.AUTOTUNE)
        assert options["max_autotune"]
        assert not options.get("triton.cudagraphs")

    @pytest.mark.long
    @pytest.mark.parametrize("tuning", ["freezing", "max_autotune"])
    def test_tuned_work_agrees_with_float64_and_is_compiled(self, tuning: str) -> None:
        case = Case("mlp_infer", batch_size=4, variant=f"compile+{tuning}")
        step = build(workloads.get("mlp_infer"), case)
        try:
            result = parity.check(case, step)
        except Exception as error:
            if limit := missing(error):
                pytest.skip(limit)
            raise
        assert 0 < result.error <= result.tolerance
        found = compiling.compilation(step)
        assert (found.graphs, found.share) == (1, 1.0)


def missing(error: Exception) -> str | None:
    """Why this machine cannot compile, if that is what an exception says."""
    from bench_core.execution.skips import limit_of

    return limit_of(error)


@pytest.mark.parametrize(
    ("name", "variant", "reason"),
    [
        ("mlp_infer", "fused", "fused is a variant of training only"),
        ("conv2d_grid", "cudnn_benchmark", "cudnn_benchmark exists on cuda devices only"),
        ("mlp_infer", "freezing", r"ask for compile\+freezing"),
        ("mlp_train", "compile+freezing", "freezing is a variant of inference only"),
        ("adam_step", "compile+max_autotune", "adam_step has no variant 'compile'"),
    ],
)
def test_where_there_is_no_such_variant_the_reason_says_so(name: str, variant: str, reason: str) -> None:
    with pytest.raises(CaseError, match=reason):
        build(workloads.get(name), Case(name, batch_size=4, variant=variant))


def test_every_training_may_be_fused_and_every_compiled_inference_frozen() -> None:
    for w in map(workloads.get, workloads.names()):
        if w.gpu_only or w.over_ranks:
            continue
        case = Case(w.name, batch_size=w.reference_batch)
        assert (why_unsupported(w, replace(case, variant="fused")) is None) == (w.kind == "train")
        frozen = why_unsupported(w, replace(case, variant="compile+freezing")) is None
        assert frozen == (w.kind == "infer" and "compile" in w.variants)
