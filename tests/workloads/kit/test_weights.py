"""Weights that the user brings: found by their name, checked, loaded exactly, named in the record; never downloaded."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench_core import Case, Step, workloads
from bench_core.core.case import Sources
from bench_core.core.errors import BenchError, DataError, DefinitionError
from bench_core.execution.parity.gate import check_first_call
from bench_core.execution.parity.reference import reference
from bench_core.hardware.device import resolve
from bench_core.timing.clock import SynchronizedClock
from bench_core.workloads.kit import BuildContext, building, forward_flops, inference, workload
from bench_core.workloads.kit.weights import find_weights, load_weights
from bench_core.workloads.pipelines import segmentation_pipeline
from bench_core.workloads.vision import resnet50, segmentation

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread", "offline")

TAKES_WEIGHTS = {
    "resnet50_train": "resnet50",
    "resnet50_infer": "resnet50",
    "deeplabv3_r50_infer": "deeplabv3_resnet50_coco",
    "deeplabv3_r101_infer": "deeplabv3_resnet101_coco",
    "segmentation_pipeline": "deeplabv3_resnet50_coco",
}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt of torch or torchvision to download a file is an error."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)


def small(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Flatten())


class SmallSegmentation(nn.Module):
    """The form of torchvision's: a dictionary of maps."""

    def __init__(self, head: nn.Module | None = None) -> None:
        super().__init__()
        self.classifier, self.aux_classifier = nn.Conv2d(3, 21, 1), head

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.classifier(x)}


def drawn(model: nn.Module, seed: int = 5) -> dict[str, Tensor]:
    """A state dict with numbers that no initialization draws, statistics of norms too."""
    generator = torch.Generator().manual_seed(seed)
    state = model.state_dict()
    for value in state.values():
        if value.is_floating_point():
            value.copy_(0.1 + torch.rand(value.shape, generator=generator))
        else:
            value.fill_(7)
    return state


def saved(state: Any, folder: Path, name: str) -> Path:
    """A file of torchvision's naming: the name ends with the first digits of the content's SHA-256."""
    draft = folder / "draft"
    torch.save(state, draft)
    return draft.rename(folder / f"{name}-{digest_of(draft)}.pth")


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def assert_has(module: nn.Module, state: dict[str, Tensor]) -> None:
    own = module.state_dict()
    assert own.keys() == state.keys()
    assert all(torch.equal(own[name], value) for name, value in state.items())


@workload(
    family="own", kind="infer", unit="image", source="a test", batches={"cpu": (2,)}, reference_batch=2, weights="tiny"
)
def own_network(ctx: BuildContext) -> Step:
    """A small network whose weights the user may bring."""
    model = ctx.model(ctx.pretrained(small), train=False)
    shape = (ctx.batch_size, 3, 8, 8)
    batches = [ctx.normal(*shape) for _ in range(ctx.resident_batches(4 * 192 * ctx.batch_size))]
    flops = forward_flops(model, shape)
    return ctx.step(
        inference(ctx, model, batches), units=ctx.batch_size, flops=flops, data="noise", modules={"model": model}
    )


CASE = Case("own_network", batch_size=2)


class TestFinding:
    @pytest.mark.parametrize("name", ["resnet50.pth", "resnet50-0676ba61.pth", "resnet50-mine.pth"])
    def test_names_are_those_of_torchvision_with_or_without_a_suffix(self, name: str, tmp_path: Path) -> None:
        for other in (name, "wide_resnet50-0676ba61.pth", "resnet50_v2.pth", "resnet50-0676ba61.pth.partial", "a.txt"):
            (tmp_path / other).touch()
        assert find_weights(tmp_path, "resnet50") == tmp_path / name

    def test_no_file_no_folder_and_no_name_mean_none(self, tmp_path: Path) -> None:
        (tmp_path / "resnet50.pth").touch()
        assert find_weights(tmp_path, "resnet101") is None
        assert find_weights(tmp_path, "") is None
        assert find_weights(None, "resnet50") is None

    def test_two_files_are_refused_by_name(self, tmp_path: Path) -> None:
        for name in ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth"):
            (tmp_path / name).touch()
        with pytest.raises(DataError, match=r"^several .*: resnet50-0676ba61.pth, resnet50-11ad3fa6.pth; keep one$"):
            find_weights(tmp_path, "resnet50")

    @pytest.mark.parametrize("make", [lambda path: None, Path.touch], ids=["missing", "a file"])
    def test_folder_that_is_not_a_folder_is_refused(self, make: Callable[[Path], None], tmp_path: Path) -> None:
        make(tmp_path / "weights")
        with pytest.raises(DataError, match=r"^weights folder .*weights cannot be read: N"):
            find_weights(tmp_path / "weights", "resnet50")


class TestLoading:
    def test_network_has_exactly_the_numbers_of_the_file(self, tmp_path: Path) -> None:
        state, model = drawn(small()), small()
        path = saved(state, tmp_path, "tiny")
        assert load_weights(model, path) == f"weights of {path.name} (SHA-256 {digest_of(path)})"
        assert_has(model, state)

    def test_digits_without_eight_places_are_a_name_like_any_other(self, tmp_path: Path) -> None:
        path = saved(drawn(small()), tmp_path, "tiny")
        plain = path.rename(tmp_path / "tiny-2.pth")
        assert load_weights(small(), plain) == f"weights of tiny-2.pth (SHA-256 {digest_of(plain)})"

    def test_file_of_an_old_torch_lacks_the_counters_of_norms(self, tmp_path: Path) -> None:
        model = small()
        state = {name: value for name, value in drawn(small()).items() if "num_batches" not in name}
        load_weights(model, saved(state, tmp_path, "tiny"))
        assert_has(model, state | {"1.num_batches_tracked": torch.tensor(0)})

    def test_auxiliary_head_is_left_out_and_mentioned(self, tmp_path: Path) -> None:
        state, model = drawn(SmallSegmentation(nn.Conv2d(3, 21, 1))), SmallSegmentation()
        path = saved(state, tmp_path, "deeplab")
        assert load_weights(model, path).endswith("), without the auxiliary head")
        assert_has(model, {name: value for name, value in state.items() if not name.startswith("aux")})

    def test_auxiliary_head_of_the_network_is_loaded(self, tmp_path: Path) -> None:
        state, model = drawn(SmallSegmentation(nn.Conv2d(3, 21, 1))), SmallSegmentation(nn.Conv2d(3, 21, 1))
        assert load_weights(model, saved(state, tmp_path, "deeplab")).endswith(")")
        assert_has(model, state)


class Code:
    """Pickled as a call that leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._trace),)


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    del state[name]
    return state


def changed(state: dict[str, Tensor], name: str, value: Tensor) -> dict[str, Tensor]:
    state[name] = value
    return state


class TestRefusing:
    """One line that names the file and what is wrong with it."""

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (drawn(small(4)), ("do not fit", "0.bias is (4,), not (3,)", "0.weight is (4, 3, 3, 3)", "and 3 more")),
            (without(drawn(small()), "0.bias"), ("do not fit", "0.bias is missing")),
            (without(drawn(small()), "1.num_batches_tracked"), ("1.num_batches_tracked is missing",)),
            (changed(drawn(small()), "fc.bias", torch.ones(2)), ("fc.bias is not in the network",)),
            (changed(drawn(small()), "0.bias", torch.ones(3).int()), ("0.bias is (3,) of torch.int32, not (3,)",)),
            (changed(drawn(small()), "0.bias", torch.tensor([1.0, 2.0, torch.nan])), ("0.bias is not finite",)),
            ({"model": drawn(small())}, ("not a state dict", "model.state_dict()")),
            ([1, 2], ("not a state dict",)),
            ({0: torch.ones(1)}, ("not a state dict",)),
            ({}, ("0.weight is missing",)),
            (small(), ("more than tensors", "torchvision publishes")),
        ],
    )
    def test_what_does_not_fit(self, state: Any, words: tuple[str, ...], tmp_path: Path) -> None:
        message = self.refused(saved(state, tmp_path, "tiny"))
        for word in words:
            assert word in message

    def test_damaged_file(self, tmp_path: Path) -> None:
        state = drawn(small())
        path = saved(state, tmp_path, "tiny")
        digest, content = digest_of(path), bytearray(path.read_bytes())
        content[content.index(state["0.weight"].numpy().tobytes())] ^= 1  # which torch.load does not notice
        path.write_bytes(content)
        assert f"their SHA-256 begins with {digest_of(path)}, not with {digest}" in self.refused(path)

    @pytest.mark.parametrize("length", [0, 1, 100, 1000])
    def test_file_cut_short(self, length: int, tmp_path: Path) -> None:
        path = saved(drawn(small()), tmp_path, "tiny").rename(tmp_path / "tiny.pth")
        path.write_bytes(path.read_bytes()[:length])
        assert "are damaged" in self.refused(path)

    def test_code_in_a_file_is_not_executed(self, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        assert "code in them is not executed" in self.refused(saved({"0.weight": Code(trace)}, tmp_path, "tiny"))
        assert not trace.exists()

    @pytest.mark.parametrize(("make", "reason"), [(lambda path: None, "No such file"), (Path.mkdir, "Is a directory")])
    def test_file_that_is_not_there(self, make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
        make(tmp_path / "tiny.pth")
        assert f"cannot be read: {reason}" in self.refused(tmp_path / "tiny.pth")

    def refused(self, path: Path) -> str:
        with pytest.raises(BenchError) as caught:
            load_weights(small(), path)
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(f"weights {path} ")
        return message


class TestBuilding:
    def test_step_has_the_weights_and_names_the_file(self, tmp_path: Path) -> None:
        state = drawn(small())
        path = saved(state, tmp_path, "tiny")
        step = building.build(own_network, CASE, sources=Sources(weights=tmp_path))
        assert_has(step.modules["model"], state)
        assert step.data == f"noise; weights of {path.name} (SHA-256 {digest_of(path)})"

    def test_folder_without_the_file_means_random_weights(self, tmp_path: Path) -> None:
        plain, random = (building.build(own_network, CASE, sources=Sources(weights=w)) for w in (None, tmp_path))
        assert (plain.data, random.data) == ("noise", "noise; random weights")
        assert_has(random.modules["model"], dict(plain.modules["model"].state_dict()))

    def test_loaded_weights_are_cast_and_rounded_as_drawn_ones(self, tmp_path: Path) -> None:
        state = drawn(small())
        saved(state, tmp_path, "tiny")
        options = {"sources": Sources(weights=tmp_path), "storage": torch.float64}
        exact = building.build(own_network, CASE, **options).modules["model"]
        rounded = building.build(own_network, CASE, significand=8, **options).modules["model"]
        assert_has(exact, {n: v.double() if v.is_floating_point() else v for n, v in state.items()})
        for weight, coarse in zip(exact.parameters(), rounded.parameters(), strict=True):
            relative = ((coarse - weight) / weight).abs()
            assert 0 < relative.max() <= 2**-8

    def test_inputs_are_the_same_with_and_without_weights(self, tmp_path: Path) -> None:
        saved(drawn(small()), tmp_path, "tiny")
        inputs: list[Tensor] = []
        for sources in (Sources(), Sources(weights=tmp_path)):
            step = building.build(own_network, CASE, sources=sources)
            step.modules["model"].register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
            step()
        assert torch.equal(*inputs)

    def test_weights_without_a_declared_name_are_a_mistake(self) -> None:
        with pytest.raises(DefinitionError, match="gemm: pretrained"):
            BuildContext(Case("gemm")).pretrained(small)


class TestParity:
    def test_step_with_loaded_weights_agrees_with_its_own_reference(self, tmp_path: Path) -> None:
        saved(drawn(small()), tmp_path, "tiny")
        sources = Sources(weights=tmp_path)
        step = building.build(own_network, CASE, sources=sources)
        parity = check_first_call(own_network, CASE, step, SynchronizedClock(resolve(("cpu",))), sources).parity
        assert 0 < parity.error < parity.tolerance < 1e-3

    def test_step_with_other_weights_does_not(self, tmp_path: Path) -> None:
        saved(drawn(small()), tmp_path, "tiny")
        step = building.build(own_network, CASE)
        with pytest.raises(ValueError, match="relative error"):
            check_first_call(own_network, CASE, step, SynchronizedClock(resolve(("cpu",))), Sources(weights=tmp_path))

    def test_reference_is_computed_anew_for_another_file_of_this_workload_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache, folder = tmp_path / "cache", tmp_path / "weights"
        monkeypatch.setenv("BENCH_CORE_CACHE", str(cache))
        folder.mkdir()
        sources = Sources(weights=folder)

        def count() -> int:
            reference(own_network, CASE, sources)
            return len(list((cache / "references").iterdir()))

        assert count() == 1
        (folder / "other.pth").touch()
        assert count() == 1
        path = saved(drawn(small()), folder, "tiny")
        assert (count(), count()) == (2, 2)
        path.unlink()
        path = saved(drawn(small(), seed=6), folder, "tiny")
        assert count() == 3
        os.utime(path, ns=(1, 1))
        assert count() == 4


class TestWorkloadsOfTorchvision:
    """The workloads whose network is torchvision's own."""

    def test_declared_names(self) -> None:
        undivided = (w for w in map(workloads.get, workloads.names()) if not w.over_ranks)
        declared = {w.name: w.weights for w in undivided}
        assert {name: weights for name, weights in declared.items() if weights} == TAKES_WEIGHTS

    @pytest.mark.parametrize("name", TAKES_WEIGHTS)
    def test_each_takes_the_file_of_its_network(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def classifier() -> nn.Module:
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1000))

        monkeypatch.setattr(resnet50, "resnet50", classifier)
        monkeypatch.setattr(segmentation, "deeplabv3_r50", SmallSegmentation)
        monkeypatch.setattr(segmentation, "deeplabv3_r101", SmallSegmentation)
        make = classifier if TAKES_WEIGHTS[name] == "resnet50" else SmallSegmentation
        state = drawn(make())
        path = saved(state, tmp_path, TAKES_WEIGHTS[name])
        step = workloads.build(Case(name), sources=Sources(weights=tmp_path))
        assert step.data.endswith(f"; weights of {path.name} (SHA-256 {digest_of(path)})")
        assert_has(step.modules["model"], state)

    def test_resnet50_of_torchvision_is_loaded_and_agrees_with_float64(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(11)
            network = resnet50.resnet50()
        state = {name: value.roll(1, 0) if value.ndim else value for name, value in network.state_dict().items()}
        monkeypatch.setattr(resnet50, "SIDE", 64)
        monkeypatch.setattr(resnet50, "resnet50", lambda: copy.deepcopy(network))  # drawing takes long
        path = saved(state, tmp_path, "resnet50")
        w, case, sources = workloads.get("resnet50_infer"), Case("resnet50_infer"), Sources(weights=tmp_path)
        step = building.build(w, case, sources=sources)
        assert step.data.endswith(f"; weights of {path.name} (SHA-256 {digest_of(path)})")
        assert_has(step.modules["model"], state)
        parity = check_first_call(w, case, step, SynchronizedClock(resolve(("cpu",))), sources).parity
        assert 0 < parity.error < parity.tolerance < 1e-2

    def test_deeplab_of_torchvision_names_its_auxiliary_head_as_expected(self) -> None:
        from torchvision.models.segmentation import deeplabv3_resnet50

        with torch.device("meta"):
            published = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
            own = segmentation.deeplabv3_r50()
        shapes, expected = ({n: v.shape for n, v in m.state_dict().items()} for m in (published, own))
        head = {name for name in shapes if name.startswith("aux_classifier.")}
        assert head
        assert {name: shape for name, shape in shapes.items() if name not in head} == expected

    def test_pipeline_uses_the_network_of_the_inference(self) -> None:
        assert segmentation_pipeline.segmentation_pipeline.weights == segmentation.deeplabv3_r50_infer.weights
