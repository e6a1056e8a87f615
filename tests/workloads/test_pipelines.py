"""The pipelines: the data that pass through them, and that their stages do the work of a whole call."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from bench_core import Case, Step, workloads
from bench_core.workloads.data import digits, photos
from bench_core.workloads.data.photo_batches import normalized
from bench_core.workloads.kit import BuildContext, building
from bench_core.workloads.pipelines import csv_loader, epoch, model_parallel, segmentation_pipeline, transfer
from bench_core.workloads.vision import segmentation

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

NO_GPU = not torch.cuda.is_available()
FEW = 200


def context(name: str, batch_size: int, setting: str = "") -> BuildContext:
    """A context as the workload's build function is given it."""
    w = workloads.get(name)
    case = building.resolve_case(w, Case(name, batch_size=batch_size, setting=setting))
    return BuildContext(case, setting=w.settings.get(case.setting))


def staged(step: Step) -> torch.Tensor | dict[str, torch.Tensor]:
    """One call's work by its stages, and what the last stage returned."""
    for _ in range(step.stage_cycles):
        for stage in step.stages.values():
            output = stage()
    return output


def weights(step: Step) -> list[torch.Tensor]:
    return [p.detach().clone() for module in step.modules.values() for p in module.parameters()]


class TestEpoch:
    def built(self, setting: str, **changes: object) -> Step:
        return workloads.build(Case("mnist_epoch_e2e", batch_size=64, setting=setting, **changes))

    @pytest.fixture
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(epoch, "IMAGES", FEW)

    @pytest.mark.parametrize(
        ("setting", "size", "full", "rest"),
        [
            ("w0", 64, 937, 32),
            ("w0", 512, 117, 96),
            ("w0", 4096, 14, 2656),
            ("w2", 512, 117, 96),
            ("resident", 64, 937, 32),
        ],
    )
    def test_epoch_has_each_image_once_in_a_shuffled_order(self, setting: str, size: int, full: int, rest: int) -> None:
        data = TensorDataset(torch.zeros(60_000, 1), torch.arange(60_000))
        begin = epoch.feed(context("mnist_epoch_e2e", size, setting), data)
        batches = [labels for _, labels in begin()]
        assert [len(batch) for batch in batches] == [size] * full + [rest]
        described = workloads.get("mnist_epoch_e2e").known_costs.description.replace(
            "batch 64 in 938 batches", "64 in 938"
        )
        assert f"at {size:,} in {full + 1}, the last of {rest:,}" in described
        order = torch.cat(batches)
        assert torch.equal(order.sort().values, torch.arange(60_000))
        assert (order.diff() == 1).sum() < 60
        assert torch.equal(next(iter(begin()))[1], order[:size]), "the next epoch is the same work"

    @pytest.mark.parametrize("setting", ["w0", "w2", "pil-w0", "resident"])
    def test_stages_do_the_work_of_a_call_and_all_settings_the_same(self, few: None, setting: str) -> None:
        step = self.built(setting)
        before = weights(step)
        first = step()
        called = weights(step)
        assert not any(torch.equal(a, b) for a, b in zip(before, called, strict=True))
        assert torch.equal(staged(step), first), "an epoch begins with the first weights"
        assert all(torch.equal(a, b) for a, b in zip(weights(step), called, strict=True))
        assert torch.equal(step(), first)
        plain = self.built("w0")
        plain()
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(plain), called, strict=True))

    def test_step_counts_images_batches_and_flops(self, few: None) -> None:
        step = self.built("w0")
        assert (step.units, step.stage_cycles, step.parameters) == (FEW, 4, 101_770)
        assert step.flops == FEW * workloads.get("mnist_epoch_e2e").known_costs.flops
        assert step.data == "digits stand-in"
        assert list(step.stages) == ["load", "transfer", "compute"]
        assert list(self.built("resident").stages) == ["load", "compute"]

    @pytest.mark.parametrize(
        ("setting", "size", "cycles"), [("w0", 64, 938), ("pil-w0", 512, 118), ("resident", 4096, 15)]
    )
    def test_epoch_is_60000_images_at_every_batch(self, setting: str, size: int, cycles: int) -> None:
        step = workloads.build(Case("mnist_epoch_e2e", batch_size=size, setting=setting))
        assert (step.units, step.stage_cycles) == (60_000, cycles)

    def test_three_batches_on_both_devices_and_the_source_has_the_smallest(self) -> None:
        w = workloads.get("mnist_epoch_e2e")
        assert w.batch_sizes("cpu") == w.batch_sizes("cuda") == (64, 512, 4096)
        assert w.reference_batch == 64

    def test_order_follows_from_the_seed(self, few: None) -> None:
        assert torch.equal(self.built("w0")(), self.built("w0")())
        assert not torch.equal(self.built("w0")(), self.built("w0", seed=1)())

    def test_images_transformed_one_by_one_are_those_prepared_beforehand(self) -> None:
        root, _ = digits.mnist_root()
        prepared: Any = epoch.Prepared(root, FEW)
        pictures: Any = epoch.pictures(root, FEW)
        assert len(prepared) == len(pictures) == FEW
        for (image, label), (other, same) in zip(prepared, pictures, strict=True):
            assert image.shape == (1, 28, 28)
            assert torch.allclose(image, other, atol=1e-6)
            assert label == same
        assert (prepared.tensors[0].min(), prepared.tensors[0].max()) == (-1, 1)

    def test_workers_end_with_the_step(self, few: None) -> None:
        step = self.built("w2")
        step()
        assert len(multiprocessing.active_children()) == 2
        step()
        assert len(multiprocessing.active_children()) == 2, "they live on from epoch to epoch"
        del step
        gc.collect()
        assert multiprocessing.active_children() == []

    def test_workers_are_spawned_where_nothing_can_be_forked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(epoch, "get_all_start_methods", lambda: ["spawn"])
        data = TensorDataset(torch.zeros(64, 1))
        loader = epoch.loader(context("mnist_epoch_e2e", 64, "w2"), data, torch.Generator())
        assert loader.multiprocessing_context.get_start_method() == "spawn"

    def test_worker_that_is_not_forked_reads_the_images_itself(self) -> None:
        data = epoch.Prepared(digits.mnist_root()[0], FEW)
        sent = pickle.dumps(data)
        assert len(sent) < 1000
        for tensor, copy in zip(data.tensors, pickle.loads(sent).tensors, strict=True):
            assert torch.equal(tensor, copy)

    def test_pinned_memory_is_refused_on_a_cpu(self) -> None:
        with pytest.raises(ValueError, match=r"w2-pinned.* of mnist_epoch_e2e need a CUDA device"):
            self.built("w2-pinned")

    @pytest.mark.gpu
    @pytest.mark.skipif(NO_GPU, reason="no CUDA device")
    @pytest.mark.parametrize("setting", workloads.get("mnist_epoch_e2e").settings)
    def test_stages_do_the_work_of_a_call_on_a_gpu(self, few: None, setting: str) -> None:
        step = self.built(setting, device="cuda")
        first = step()
        called = weights(step)
        assert first.device.type == "cuda"
        staged(step)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(step), called, strict=True))


class Colors(nn.Module):
    """A network as small as it can be, of the form of torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 21, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.conv(x)}


class TestSegmentation:
    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(segmentation, "SIDE", 32)
        monkeypatch.setattr(segmentation, "deeplabv3_r50", Colors)

    @pytest.fixture
    def step(self, small: None) -> Step:
        return workloads.build(Case("segmentation_pipeline", batch_size=2))

    @pytest.mark.parametrize("setting", workloads.get("segmentation_pipeline").settings)
    def test_stages_do_the_work_of_a_call(self, small: None, setting: str) -> None:
        step = workloads.build(Case("segmentation_pipeline", batch_size=2, setting=setting))
        called = [step() for _ in range(3)]
        assert list(step.stages) == ["decode", "preprocess", "to device", "infer", "argmax", "to host"]
        for whole in called:  # two of three photos a call, so the first again after three
            assert torch.equal(staged(step), whole)
        assert not torch.equal(called[0], called[1])
        assert step.flops == 2 * 2 * 32**2 * 3 * 21

    def test_classes_are_those_of_the_photo(self, step: Step) -> None:
        classes = step()
        assert (classes.shape, classes.dtype, classes.device.type) == ((2, 32, 32), torch.int64, "cpu")
        photo = segmentation_pipeline.decoded(segmentation_pipeline.photo_files()["grace_hopper.jpg"])
        image = normalized(segmentation_pipeline.squared(photo, 32)[None])
        logits = step.modules["model"](torch.from_numpy(image).float())["out"]
        assert torch.equal(classes[0], logits.argmax(1)[0])

    def test_photos_are_resized_to_256_and_cropped_to_224_as_by_torchvision(self) -> None:
        photos_of = segmentation_pipeline.photo_files().values()
        photographs = [segmentation_pipeline.decoded(data) for data in photos_of]
        prepared = segmentation_pipeline.ResizedAndCropped(224)
        assert prepared.label == "Resize(256), CenterCrop(224)"
        images = prepared(photographs)
        assert images.shape == (3, 3, 224, 224)
        for photo, image in zip(photographs, images, strict=True):
            scale = 256 / min(photo.size)
            resized = photo.resize([int(scale * length) for length in photo.size], Image.Resampling.BILINEAR)
            left, top = (round((length - 224) / 2) for length in resized.size)
            cropped = np.asarray(resized)[top : top + 224, left : left + 224]
            assert np.allclose(image, normalized(cropped[None])[0], atol=1e-5)
        squared = segmentation_pipeline.Squared(224)(photographs)
        assert torch.linalg.norm(images - squared) > 0.05 * torch.linalg.norm(squared), "more of the photo is seen"

    def test_data_say_how_photos_are_prepared(self, small: None) -> None:
        labels = [
            workloads.build(Case("segmentation_pipeline", setting=setting)).data.rpartition("flower.jpg, ")[2]
            for setting in ("square224", "resize256-crop224")
        ]
        assert labels == ["center square resized to 32", "Resize(256), CenterCrop(32)"]

    def test_files_contain_the_sample_photos(self) -> None:
        files = segmentation_pipeline.photo_files()
        assert files.keys() == photos.photos().keys()
        for name, pixels in photos.photos().items():
            assert np.array_equal(np.asarray(segmentation_pipeline.decoded(files[name])), pixels)


class TestTable:
    def test_batches_have_each_training_row_once_with_scaled_features(self) -> None:
        pipeline = csv_loader.Pipeline(context("csv_loader", 64))
        pipeline()
        features, classes = map(torch.cat, zip(*pipeline._batches, strict=True))
        assert (features.dtype, classes.dtype) == (torch.float32, torch.int64)
        assert features.shape == (4_000, 16)
        assert features.mean(0).abs().max() < 1e-4
        assert (features.std(0) - 1).abs().max() < 1e-3
        rows = torch.from_numpy(csv_loader.Rows(pipeline._table, pipeline.training_rows).features).float()
        assert torch.equal(features[:, 0].sort().values, rows[:, 0].sort().values)
        assert not torch.equal(features, rows), "shuffled"

    def test_both_settings_give_the_same_batches(self) -> None:
        loaded = []
        for setting in ("prepared", "tensors-per-item"):
            pipeline = csv_loader.Pipeline(context("csv_loader", 64, setting))
            pipeline()
            loaded.append(pipeline._batches)
        for ours, theirs in zip(*loaded, strict=True):
            for part, same in zip(ours, theirs, strict=True):
                assert part.dtype == same.dtype
                assert torch.equal(part, same)

    def test_tensors_are_made_once_or_for_each_item(self) -> None:
        rows = csv_loader.Rows(csv_loader.made_up(np.random.default_rng(0)), np.arange(100))
        prepared, each = (kind(rows, torch.float32) for kind in (csv_loader.Prepared, csv_loader.TensorsPerItem))
        assert len(prepared) == len(each) == 100
        assert prepared[3][0].data_ptr() == prepared.features[3].data_ptr()
        one, again = each[3][0], each[3][0]
        assert torch.equal(one, again)
        assert one.data_ptr() != again.data_ptr()

    def test_scaler_sees_the_training_part_only(self) -> None:
        rng = np.random.default_rng(0)
        table, training = csv_loader.made_up(rng), np.arange(4_000)
        plain = csv_loader.Rows(table, training)
        table.iloc[4_500, 3] = 1e12  # in the test part
        assert np.array_equal(csv_loader.Rows(table, training).features, plain.features)
        table.iloc[100, 3] = 1e12
        assert not np.array_equal(csv_loader.Rows(table, training).features, plain.features)

    def test_file_is_deleted_with_the_pipeline(self) -> None:
        pipeline = csv_loader.Pipeline(context("csv_loader", 1024))
        path = pipeline._path
        assert len(path.read_text().splitlines()) == 5_001
        del pipeline
        assert not path.parent.exists()

    def test_stages_do_the_work_of_a_call(self) -> None:
        step = workloads.build(Case("csv_loader", batch_size=1024))
        assert list(step.stages) == ["read", "scale", "batch", "transfer"]
        assert torch.equal(staged(step)["features"], step()["features"])
        assert step.units == 4_000


class TestTransfer:
    @pytest.mark.parametrize("to_device", [True, False])
    def test_bytes_arrive(self, to_device: bool) -> None:
        route = transfer.Route(to_device=to_device, pinned=False)
        data = [torch.randint(256, (4096,), dtype=torch.uint8) for _ in range(3)]
        pairs = [transfer.endpoints(d, torch.device("cpu"), route) for d in data]
        assert not any(torch.equal(source, target) for source, target in pairs)
        assert all(source.data_ptr() != target.data_ptr() for source, target in pairs)
        copy = transfer.copier(pairs, without_waiting=False)
        transfer.check(copy, pairs)
        assert torch.equal(copy(), data[0])

    def test_bytes_that_do_not_arrive_are_an_error(self) -> None:
        pair = (torch.ones(8, dtype=torch.uint8), torch.zeros(8, dtype=torch.uint8))
        with pytest.raises(ValueError, match="what arrived is not what was sent"):
            transfer.check(lambda: pair[1], [pair])

    def test_sizes_of_copies_and_refusal_on_a_cpu(self) -> None:
        sizes = workloads.get("transfer").batch_sizes("cuda")
        assert (sizes[0], sizes[-1]) == (4 * 2**10, 256 * 2**20)
        with pytest.raises(ValueError, match="transfer needs a CUDA device"):
            workloads.build(Case("transfer", batch_size=4096))

    @pytest.mark.gpu
    @pytest.mark.skipif(NO_GPU, reason="no CUDA device")
    @pytest.mark.parametrize("setting", workloads.get("transfer").settings)
    def test_bytes_arrive_on_a_gpu(self, setting: str) -> None:
        step = workloads.build(Case("transfer", device="cuda", batch_size=2**20, setting=setting))
        output = step()
        torch.cuda.synchronize()
        assert output.is_cuda is setting.startswith("h2d")
        assert step.units == output.numel() == 2**20


class TestSplitModel:
    def test_split_model_equals_the_unsplit_one_in_outputs_gradients_and_an_update(self) -> None:
        split = model_parallel.Split()
        split.place("cpu", "cpu")
        whole = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 5))
        for ours, theirs in zip(split.parameters(), whole.parameters(), strict=True):
            theirs.data.copy_(ours.data)
        x, y = torch.randn(20, 10), torch.randn(20, 5)
        assert torch.equal(split(x), whole(x))
        for model in (split, whole):
            F.mse_loss(model(x), y).backward()
        for ours, theirs in zip(split.parameters(), whole.parameters(), strict=True):
            assert torch.equal(ours.grad, theirs.grad)
        for model in (split, whole):
            torch.optim.SGD(model.parameters(), lr=0.001).step()
        for ours, theirs in zip(split.parameters(), whole.parameters(), strict=True):
            assert torch.equal(ours, theirs)

    def test_step_trains_every_weight(self) -> None:
        workload = workloads.get("model_parallel_toy")
        step = building.build_anywhere(workload, Case("model_parallel_toy", batch_size=20))
        assert step.parameters == 165
        assert step.flops == 20 * workload.known_costs.flops
        assert step.optimizers["model"].defaults["lr"] == 0.001
        before = weights(step)
        assert step().isfinite()
        assert not any(torch.equal(a, b) for a, b in zip(before, weights(step), strict=True))
        assert "no speedup" in workload.summary

    @pytest.mark.parametrize(
        ("device", "gpus", "both"),
        [
            ("cuda", 1, ("cuda:0", "cpu")), ("cuda", 2, ("cuda:0", "cuda:1")), ("cuda:1", 2, ("cuda:1", "cuda:0")),
            ("cuda:1", 4, ("cuda:1", "cuda:2")), ("cpu", 0, ("cpu", "cpu")),
        ],
    )  # fmt: skip
    def test_second_device_is_the_next_gpu_or_the_cpu(self, device: str, gpus: int, both: tuple[str, str]) -> None:
        assert model_parallel.devices(torch.device(device), gpus) == both

    @pytest.mark.gpu
    @pytest.mark.skipif(NO_GPU, reason="no CUDA device")
    def test_split_model_equals_its_cpu_counterpart_on_a_gpu(self) -> None:
        step = workloads.build(Case("model_parallel_toy", device="cuda", batch_size=20))
        places = [str(p.device) for p in step.modules["model"].parameters()]
        assert places == [step.devices[0]] * 2 + [step.devices[1]] * 2
        case = Case("model_parallel_toy", batch_size=20)
        reference = building.build_anywhere(workloads.get(case.workload), case)
        for _ in range(3):
            assert step().item() == pytest.approx(reference().item(), rel=1e-5)
