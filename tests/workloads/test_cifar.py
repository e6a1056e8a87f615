"""CIFAR-10 of the user: which files are read, which are refused, and that it is what the workload trains on."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench_core import Case, workloads
from bench_core.core.case import Sources
from bench_core.core.errors import CaseSkipped, DataError
from bench_core.execution.studies.learning import measure_time_to_accuracy
from bench_core.workloads.data import cifar
from bench_core.workloads.data.digits import write_idx

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

FEW = 20
RECORD = 3073
TRAIN, TEST = [f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"]


def records(seed: int, count: int = FEW) -> np.ndarray:
    """Records as the page of CIFAR-10 describes them: a class, then 1,024 pixels of each channel."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 256, (count, RECORD), dtype=np.uint8)
    made[:, 0] = rng.integers(0, 10, count)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of CIFAR-10 with few images in each file."""
    monkeypatch.setattr(cifar, "IMAGES_PER_FILE", FEW)
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for seed, name in enumerate((*TRAIN, *TEST)):
        (tmp_path / "cifar-10-batches-bin" / name).write_bytes(records(seed).tobytes())
    return tmp_path


def test_images_are_read_by_channel_row_and_column(folder: Path) -> None:
    train, test = (cifar.cifar10(folder, train=part) for part in (True, False))
    assert (train.source, test.source) == ("CIFAR-10", "CIFAR-10")
    assert train.images.shape == (5 * FEW, 3, 32, 32)
    assert test.images.shape == (FEW, 3, 32, 32)
    third = records(2)
    for i, (channel, row, column) in enumerate([(0, 0, 0), (1, 5, 31), (2, 31, 7)]):
        assert train.images[2 * FEW + i, channel, row, column] == third[i, 1 + 1024 * channel + 32 * row + column]
    assert train.labels[2 * FEW : 3 * FEW].tolist() == third[:, 0].tolist()
    assert test.labels.tolist() == records(5)[:, 0].tolist()


def test_files_of_the_real_size_have_50000_and_10000_images(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name in (*TRAIN, *TEST):
        with (tmp_path / "cifar-10-batches-bin" / name).open("wb") as file:
            file.truncate(30_730_000)
    assert len(cifar.cifar10(tmp_path, train=True).images) == 50_000
    assert len(cifar.cifar10(tmp_path, train=False).labels) == 10_000


def test_workload_trains_on_the_cifar_of_the_user(folder: Path) -> None:
    step, seen = workloads.build(Case("resnet20_cifar_train", batch_size=4), sources=Sources(data=folder)), []
    assert step.data == "CIFAR-10"
    step.modules["model"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    assert step().isfinite()
    (images,) = seen
    assert images.shape == (4, 3, 32, 32)
    pixels = np.concatenate([records(seed) for seed in range(5)])[:, 1:].reshape(-1, 3, 32, 32)
    known = {pixel.tobytes() for pixel in pixels}
    bytes_ = ((images + 1) * 127.5).round().to(torch.uint8).numpy()
    assert all(image.tobytes() in known for image in bytes_)


def _missing(root: Path) -> None:
    (root / TRAIN[3]).unlink()


def _cut_short(root: Path) -> None:
    (root / TRAIN[0]).write_bytes(records(0).tobytes()[:-1])


def _too_long(root: Path) -> None:
    (root / TRAIN[1]).write_bytes(records(0, FEW + 1).tobytes())


def _empty(root: Path) -> None:
    (root / TRAIN[4]).write_bytes(b"")


def _other_classes(root: Path) -> None:
    damaged = records(0)
    damaged[7, 0] = 10
    (root / TRAIN[2]).write_bytes(damaged.tobytes())


def _a_folder(root: Path) -> None:
    (root / TRAIN[0]).unlink()
    (root / TRAIN[0]).mkdir()


@pytest.mark.parametrize("damage", [_missing, _cut_short, _too_long, _empty, _other_classes, _a_folder])
def test_damaged_files_are_refused_in_one_line_with_the_file_and_the_fix(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder / "cifar-10-batches-bin")
    with pytest.raises(DataError, match=r"CIFAR-10: .*data_batch_\d\.bin .*cifar-10-binary\.tar\.gz") as caught:
        workloads.build(Case("resnet20_cifar_train", batch_size=4), sources=Sources(data=folder))
    assert "\n" not in str(caught.value)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.binary(max_size=2 * RECORD))
def test_any_bytes_are_images_or_a_data_error(folder: Path, content: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar, "IMAGES_PER_FILE", 1)
        (folder / "cifar-10-batches-bin" / TEST[0]).write_bytes(content)
        try:
            images = cifar.cifar10(folder, train=False)
        except DataError:
            assert len(content) != RECORD or content[0] > 9
        else:
            assert images.images.tobytes() == content[1:]


class Bomb:
    """Its pickle leaves a trace if it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_pickles_are_refused_unread_with_what_to_download_instead(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(DataError, match=r"python version of CIFAR-10, .*cifar-10-binary\.tar\.gz") as caught:
        workloads.build(Case("resnet20_cifar_train", batch_size=4), sources=Sources(data=tmp_path))
    assert "\n" not in str(caught.value)
    assert not trace.exists()


def test_the_binary_version_is_read_beside_the_python_version(folder: Path) -> None:
    (folder / "cifar-10-batches-py").mkdir()
    assert cifar.has_cifar10(folder)


def test_without_cifar_the_digits_of_the_user_are_taken(tmp_path: Path) -> None:
    (tmp_path / "MNIST/raw").mkdir(parents=True)
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"MNIST/raw/{part}-images-idx3-ubyte", np.full((5, 28, 28), 255, np.uint8))
        write_idx(tmp_path / f"MNIST/raw/{part}-labels-idx1-ubyte", np.zeros(5, np.uint8))
    step, seen = workloads.build(Case("resnet20_cifar_train", batch_size=2), sources=Sources(data=tmp_path)), []
    step.modules["model"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    step()
    assert step.data == "MNIST, 3 channels of 32x32"
    images: Tensor = seen[0]
    assert (images[:, :, 2:-2, 2:-2].min(), images[:, :, :2].max()) == (1, -1)


def test_a_folder_without_both_is_refused_with_both_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no cifar-10-batches-bin in .*, and no MNIST in ") as caught:
        workloads.build(Case("resnet20_cifar_train", batch_size=2), sources=Sources(data=tmp_path))
    assert "\n" not in str(caught.value)


def test_a_target_for_digits_is_not_pursued_on_cifar(folder: Path) -> None:
    with pytest.raises(CaseSkipped, match="the target of resnet20_cifar_train is one for digits"):
        measure_time_to_accuracy("resnet20_cifar_train", "cpu", Sources(data=folder))
