"""What a workload must state, what it may leave out, and that a declaration which contradicts itself is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bench_core import Case, Step, Workload, workloads
from bench_core.core.case import DTYPES, VARIANTS
from bench_core.core.errors import BenchError, DefinitionError
from bench_core.workloads.kit import BuildContext, KnownCosts, building, workload

REQUIRED: dict[str, Any] = {
    "family": "sums",
    "kind": "op",
    "unit": "element",
    "source": "a test",
    "batches": {"cpu": (1, 8), "cuda": (1, 8, 64)},
    "reference_batch": 8,
}


def total(ctx: BuildContext) -> Step:
    """Sum of some numbers.

    More about it.
    """
    numbers = ctx.normal(ctx.batch_size)
    return ctx.step(lambda: numbers.sum(), units=ctx.batch_size, flops=None, data="normal random numbers")


def declared(build: Callable[[BuildContext], Step] = total, **facts: Any) -> Workload:
    return workload(**REQUIRED | facts)(build)


def without_docstring(ctx: BuildContext) -> Step:
    return total(ctx)


class TestWhatMayBeLeftOut:
    def test_required_facts_are_enough_to_build_and_call(self) -> None:
        w = declared()
        assert (w.name, w.summary) == ("total", "Sum of some numbers.")
        assert building.build(w, Case("total", batch_size=4))().isfinite()

    def test_defaults(self) -> None:
        w = declared()
        assert (w.dtypes, w.variants, w.settings) == (DTYPES, VARIANTS, {})
        assert (w.known_costs, w.regime, w.no_parity) == (KnownCosts(), "", "")
        assert not w.heavy
        assert not w.gpu_only

    def test_training_is_without_fp16_unless_stated(self) -> None:
        assert declared(kind="train").dtypes == tuple(dtype for dtype in DTYPES if dtype != "fp16")
        assert declared(kind="train", dtypes=("fp16",)).dtypes == ("fp16",)

    @pytest.mark.parametrize("batches", [{"cpu": (), "cuda": (8,)}, {"cuda": (8,)}])
    def test_device_without_batches_cannot_run_it(self, batches: dict[str, tuple[int, ...]]) -> None:
        gpu_only = declared(batches=batches)
        assert gpu_only.gpu_only
        assert building.why_unsupported(gpu_only, Case("total", batch_size=8)) == "total needs a CUDA device"

    def test_accelerator_of_which_nothing_is_stated_has_the_batches_of_cuda(self) -> None:
        assert declared().batch_sizes("mps") == (1, 8, 64)
        assert declared(batches={"cpu": (8,), "cuda": (8,), "mps": ()}).batch_sizes("mps") == ()
        assert declared(batches={"cpu": (8,)}).batch_sizes("mps") == ()

    @pytest.mark.parametrize("fact", REQUIRED)
    def test_required_fact_must_be_stated(self, fact: str) -> None:
        with pytest.raises(TypeError, match=fact):
            workload(**{name: value for name, value in REQUIRED.items() if name != fact})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"kind": "training"}, "no kind 'training'; there are: train, infer, op, pipeline"),
        ({"family": ""}, "family is empty"),
        ({"unit": ""}, "unit is empty"),
        ({"source": ""}, "source is empty"),
        ({"batches": {"cpu": (1, 8), "tpu": (8,)}}, "batches: no device 'tpu'"),
        ({"heavy": True, "full_batches": {"gpu": (64,)}}, "full_batches: no device 'gpu'"),
        ({"settings": {"a": 1}, "full_settings": {"gpu": ("a",)}}, "full_settings: no device 'gpu'"),
        ({"batches": {}}, "batches has no batch size for any device"),
        ({"batches": {"cpu": (), "cuda": ()}}, "batches has no batch size for any device"),
        ({"batches": {"cpu": (0, 8), "cuda": (8,)}}, "a batch size is below 1"),
        ({"batches": {"cpu": (8,), "cuda": (1, 8, 8)}}, "a batch size for cuda is there twice"),
        ({"heavy": True, "full_batches": {"cpu": (8,)}}, "a batch size for cpu is there twice"),
        ({"reference_batch": 4}, "reference_batch 4 is not among the batches for any device"),
        ({"dtypes": ("fp32", "fp8")}, "dtypes: fp8 is not one of fp32, default, tf32, bf16, fp16"),
        ({"variants": ("jit",)}, "variants: jit is not one of eager, channels_last, compile, cuda_graph"),
        ({"settings": {"a": 1}, "gpu_settings": ("b",)}, "gpu_settings: b is not one of a"),
        ({"settings": {"a": 1}, "full_settings": {"cuda": ("b",)}}, "full_settings: b is not one of a"),
        ({"full_batches": {"cpu": (128,)}}, "full_batches are for heavy workloads; add heavy=True"),
    ],
    ids=lambda value: value.partition(";")[0] if isinstance(value, str) else "",
)
def test_contradicting_declaration_is_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        declared(**facts)
    assert str(caught.value) == f"workload total: {message}"


def test_build_function_without_docstring_is_refused() -> None:
    with pytest.raises(DefinitionError, match="workload without_docstring: its build function needs a docstring"):
        declared(without_docstring)


def test_changed_copy_of_a_workload_is_checked_too() -> None:
    with pytest.raises(DefinitionError, match="unit is empty"):
        replace(declared(), unit="")


def test_bad_declaration_is_bad_input() -> None:
    assert issubclass(DefinitionError, BenchError)


def test_reference_batch_may_be_one_of_a_full_sweep() -> None:
    heavy = declared(batches={"cpu": (1,), "cuda": (1, 8)}, heavy=True, full_batches={"cpu": (8,)})
    assert heavy.batch_sizes("cpu", "full") == (1, 8)


class TestSettings:
    """``ctx.setting`` is the value that was declared, not its name."""

    def chosen(self, w: Workload, setting: str = "") -> Any:
        """What a workload's build function is given as the setting."""
        seen: list[Any] = []
        step = Step(torch.zeros, units=1, flops=None, devices=(), data="")
        spied = replace(w, build=lambda ctx: seen.append(ctx.setting) or step)
        building.build_anywhere(spied, Case(w.name, batch_size=1, setting=setting))
        return seen[0]

    def test_value_is_that_of_the_named_setting(self) -> None:
        small, large = object(), object()
        w = declared(settings={"small": small, "large": large})
        assert self.chosen(w, "large") is large
        assert self.chosen(w, "small") is small
        assert self.chosen(w) is small, "the first where none is named"

    def test_value_is_none_where_there_are_no_settings(self) -> None:
        assert self.chosen(declared()) is None

    @pytest.mark.parametrize("name", ["conv2d_grid", "lstm_ar_train", "mnist_epoch_e2e", "transfer", "arima_fit"])
    def test_value_of_each_workload_is_the_declared_one(self, name: str) -> None:
        w = workloads.get(name)
        for setting, value in w.settings.items():
            assert self.chosen(w, setting) is value

    def test_convolution_is_named_by_its_value(self) -> None:
        for setting, point in workloads.get("conv2d_grid").settings.items():
            kernel, stride, padding = point.kernel, point.stride, point.padding
            assert setting == f"k{kernel}s{stride}p{padding}-{point.channels_in}x{point.channels_out}"

    def test_transposed_convolution_is_named_by_its_value(self) -> None:
        for setting, point in workloads.get("conv_transpose2d_grid").settings.items():
            kernel, stride, padding, added = point.kernel, point.stride, point.padding, point.added
            name = f"k{kernel}s{stride}p{padding}" + (f"a{added}" if added else "")
            assert setting == f"{name}-{point.channels_in}x{point.channels_out}"

    @pytest.mark.parametrize("name", ["attention_prefill", "attention_decode"])
    def test_length_of_attention_is_named_by_its_value(self, name: str) -> None:
        for setting, length in workloads.get(name).settings.items():
            assert setting == f"T{length}"

    @pytest.mark.parametrize("name", ["lstm_ar_train", "rnn_ar_train", "gru_ar_train"])
    def test_recurrent_size_is_named_by_its_value(self, name: str) -> None:
        for setting, size in workloads.get(name).settings.items():
            assert setting == f"T{size.length}h{size.hidden}"

    def test_loading_is_named_by_its_value(self) -> None:
        for setting, loading in workloads.get("mnist_epoch_e2e").settings.items():
            workers = f"{'pil-' * loading.pil}w{loading.workers}{'-pinned' * loading.pinned}"
            assert setting == ("resident" if loading.resident else workers)

    def test_route_is_named_by_its_value(self) -> None:
        for setting, route in workloads.get("transfer").settings.items():
            direction, memory = "h2d" if route.to_device else "d2h", "pinned" if route.pinned else "pageable"
            assert setting == f"{direction}-{memory}"


def test_a_device_has_the_reference_batch_or_the_largest_below_it() -> None:
    w = declared(batches={"cpu": (1, 4), "cuda": (1, 4, 64)}, reference_batch=64)
    assert (w.reference_on("cpu"), w.reference_on("cuda"), w.reference_on("mps")) == (4, 64, 64)
    assert declared(batches={"cpu": (8,), "cuda": (1, 8)}, reference_batch=1).reference_on("cpu") == 8
