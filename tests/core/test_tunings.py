"""The tunings: where they exist, and the names of variants that have them."""

from __future__ import annotations

import pytest

from bench_core.core.case import ALL_VARIANTS, AUTOCAST, VARIANTS, cpu_variant, in_order
from bench_core.core.tunings import TUNINGS


def test_variants_have_different_names() -> None:
    assert len(set(ALL_VARIANTS)) == len(ALL_VARIANTS) == len(VARIANTS) + len(TUNINGS) + 2
    assert all(name == tuning.name for name, tuning in TUNINGS.items())


@pytest.mark.parametrize(
    ("name", "kind", "device", "parts", "reason"),
    [
        ("fused", "train", "cpu", ("fused",), None),
        ("fused", "train", "cuda", ("cuda_graph", "fused"), None),
        ("fused", "infer", "cpu", ("fused",), "fused is a variant of training only"),
        ("cudnn_benchmark", "op", "cuda", ("cudnn_benchmark",), None),
        ("cudnn_benchmark", "op", "cpu", ("cudnn_benchmark",), "exists on cuda devices only, not on cpu"),
        ("cudnn_benchmark", "op", "xpu", ("cudnn_benchmark",), "exists on cuda devices only, not on xpu"),
        ("max_autotune", "train", "cpu", ("compile", "max_autotune"), None),
        ("max_autotune", "op", "cuda", ("max_autotune",), r"does nothing without it: ask for compile\+max_autotune"),
        ("freezing", "infer", "cpu", ("compile", "freezing"), None),
        ("freezing", "train", "cpu", ("compile", "freezing"), "freezing is a variant of inference only"),
        ("freezing", "infer", "cpu", ("freezing",), r"ask for compile\+freezing"),
    ],
)
def test_where_a_tuning_does_not_exist_the_reason_says_so(
    name: str, kind: str, device: str, parts: tuple[str, ...], reason: str | None
) -> None:
    found = TUNINGS[name].why_not(kind, device, parts)
    if reason is None:
        assert found is None
    else:
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(found)


def test_shortest_variant_of_a_tuning_is_supported_somewhere() -> None:
    for tuning in TUNINGS.values():
        kinds, devices = tuning.kinds or ("op",), tuning.devices or ("cpu",)
        assert tuning.why_not(kinds[0], devices[0], tuning.variant.split("+")) is None


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("eager", "eager"),
        ("compile+eager", "compile"),
        ("autocast+freezing+compile", "compile+freezing+autocast"),
        ("compile+channels_last", "compile+channels_last"),
        ("fused+fused", "fused"),
    ],
)
def test_variant_has_one_name(given: str, name: str) -> None:
    assert in_order(given) == name
    assert in_order(name) == name


def test_counterpart_on_a_cpu_lacks_what_only_a_gpu_has() -> None:
    assert cpu_variant("cudnn_benchmark") == "eager"
    assert cpu_variant("channels_last+fused+cudnn_benchmark") == "channels_last+fused"
    assert cpu_variant("compile+max_autotune") == "compile+max_autotune"
    assert in_order(f"{AUTOCAST}+cuda_graph") == "cuda_graph+autocast"
