"""Data without a download: the digits and their stand-in, photos, time series, and the cache folder."""

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torchvision import datasets as torchvision_datasets
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from bench_core import Case, workloads
from bench_core.core.case import Sources
from bench_core.core.errors import DataError
from bench_core.workloads.data import digits, photos, series

RAW = Path("MNIST") / "raw"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CORE_CACHE", str(folder))
    digits.digits_stand_in.cache_clear()
    yield folder
    digits.digits_stand_in.cache_clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of few digits, which takes no time to write."""
    monkeypatch.setattr(digits, "_SIZES", {"train": 600, "t10k": 100})


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the digits stand-in, written once for the tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return digits.digits_stand_in.__wrapped__()


def small_mnist(root: Path, n: int = 3) -> Path:
    """A folder in MNIST's layout, with n images in each part."""
    (root / RAW).mkdir(parents=True)
    for part in ("train", "t10k"):
        digits.write_idx(root / RAW / f"{part}-images-idx3-ubyte", np.full((n, 28, 28), 7, np.uint8))
        digits.write_idx(root / RAW / f"{part}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8))
    return root


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(arrays(np.uint8, st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)))
def test_idx_files_are_read_as_they_were_written(tmp_path: Path, array: np.ndarray) -> None:
    digits.write_idx(tmp_path / "idx", array)
    assert np.array_equal(read_sn3_pascalvincent_tensor(str(tmp_path / "idx")).numpy(), array)
    assert np.array_equal(digits.read_idx(tmp_path / "idx"), array)


def test_torchvision_reads_the_stand_in_unchanged(folder: Path) -> None:
    root, source = digits.mnist_root()
    assert source == "digits stand-in"
    assert root.parent == folder
    for train, n in ((True, 60_000), (False, 10_000)):
        reader = torchvision_datasets.MNIST(root, train=train)
        ours = digits.mnist(train=train)
        assert len(reader) == n
        assert reader[n - 1][0].size == (28, 28)
        assert np.array_equal(reader.data.numpy(), ours.images)
        assert np.array_equal(reader.targets.numpy(), ours.labels)


def test_stand_in_is_split_before_it_is_repeated(stand_in: Path) -> None:
    train, test = ({image.tobytes() for image in digits.mnist(stand_in, train=part).images} for part in (True, False))
    assert not train & test
    assert len(train) + len(test) == 1797


def test_stand_in_has_enlarged_digits_of_every_class(stand_in: Path) -> None:
    train = digits.mnist(stand_in, train=True)
    assert np.bincount(train.labels).min() > 5000
    assert train.images.max() == 255
    inner = train.images[:100, 2:26, 2:26]
    assert np.array_equal(inner, inner[:, ::3, ::3].repeat(3, axis=1).repeat(3, axis=2))
    assert train.images[:100].sum() == inner.sum(), "the margin is empty"


def test_stand_in_is_never_called_mnist(stand_in: Path) -> None:
    assert digits.mnist(stand_in, train=False).source == "digits stand-in"


@pytest.mark.usefixtures("small")
def test_two_writers_at_once_leave_one_stand_in(folder: Path) -> None:
    make = digits.digits_stand_in.__wrapped__
    with ThreadPoolExecutor(2) as pool:
        roots = list(pool.map(lambda _: make(), range(2)))
    assert roots[0] == roots[1]
    assert [entry.name for entry in folder.iterdir()] == [roots[0].name], "no draft is left"


@pytest.mark.usefixtures("small")
def test_draft_left_by_a_killed_process_does_no_harm(folder: Path) -> None:
    (folder / ".digits-stand-in-1-killed" / RAW).mkdir(parents=True)
    assert len(digits.mnist(train=False).images) == 100


@pytest.mark.usefixtures("small")
def test_temporary_folder_is_used_if_the_cache_is_not_writable(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    root, source = digits.mnist_root()
    assert source == "digits stand-in"
    assert folder not in root.parents
    assert digits.mnist_root()[0] == root, "written once per process"


def test_real_data_are_read_and_called_mnist(tmp_path: Path) -> None:
    real = digits.mnist(small_mnist(tmp_path), train=True)
    assert (real.source, real.images.shape, real.labels.tolist()) == ("MNIST", (3, 28, 28), [0, 1, 2])


def test_workload_trains_on_the_data_of_the_user(tmp_path: Path) -> None:
    small_mnist(tmp_path)
    for path in list((tmp_path / RAW).iterdir()):  # torchvision leaves its packed downloads beside the files
        (tmp_path / RAW / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    step = workloads.build(Case("mlp_train", batch_size=2), sources=Sources(data=tmp_path))
    inputs: list[Tensor] = []
    step.modules["model"].register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    step()
    assert step.data == "MNIST"
    assert torch.allclose(inputs[0], torch.full((2, 1, 28, 28), 2 * 7 / 255 - 1))


def _no_folder(root: Path) -> None:
    (root / RAW).rename(root / "elsewhere")


def _cut_short(root: Path) -> None:
    path = root / RAW / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])


def _empty(root: Path) -> None:
    (root / RAW / "train-labels-idx1-ubyte").write_bytes(b"")


def _still_packed(root: Path) -> None:
    path = root / RAW / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(path.read_bytes()))


def _too_few_labels(root: Path) -> None:
    digits.write_idx(root / RAW / "train-labels-idx1-ubyte", np.zeros(2, np.uint8))


@pytest.mark.parametrize("damage", [_no_folder, _cut_short, _empty, _still_packed, _too_few_labels])
def test_error_about_bad_data_is_one_line_with_the_folder_and_the_fix(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(small_mnist(tmp_path))
    with pytest.raises(DataError) as caught:
        digits.mnist(tmp_path, train=True)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "put the unpacked files there" in message
    assert "\n" not in message


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")], ids=["missing", "a file"])
def test_data_folder_that_is_not_a_folder_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "data")
    with pytest.raises(DataError, match=r"no data folder .*data; name one that holds MNIST/raw"):
        digits.mnist(tmp_path / "data", train=True)


@pytest.mark.usefixtures("small")
def test_error_about_a_damaged_stand_in_says_what_to_delete(folder: Path) -> None:
    root = digits.digits_stand_in()
    _cut_short(root)
    with pytest.raises(DataError, match=f"{root}.*delete that folder"):
        digits.mnist(train=True)


def test_photos_are_color_images() -> None:
    assert list(photos.photos()) == ["grace_hopper.jpg", "china.jpg", "flower.jpg"]
    for photo in photos.photos().values():
        assert photo.dtype == np.uint8
        assert photo.ndim == 3
        assert min(photo.shape[:2]) >= 256
        assert photo.shape[2] == 3
        assert photo.std() > 20


def test_crops_differ_and_follow_from_the_seed() -> None:
    crops, again, others = (photos.photo_crops(np.random.default_rng(seed), 7, 224) for seed in (0, 0, 1))
    assert crops.shape == (7, 224, 224, 3)
    assert len({crop.tobytes() for crop in crops}) == 7
    assert np.array_equal(crops, again)
    assert not np.array_equal(crops, others)


def test_ar1_is_the_known_series() -> None:
    x = series.ar1()
    assert x[0] == 0
    assert x[1] == pytest.approx(0.049671, abs=5e-7)
    assert x[999] == pytest.approx(0.006109, abs=5e-7)
    assert x.var() == pytest.approx(0.012662, abs=5e-7)


def test_ar1_follows_from_its_noise() -> None:
    x, noise = series.ar1(50, seed=3), series.ar1_noise(50, seed=3)
    assert noise[0] == 0
    assert np.allclose(x[1:] - 0.5 * x[:-1], noise[1:])


def test_air_passengers_is_the_whole_known_series() -> None:
    known = series.air_passengers()
    assert (known.thousands.shape, known.thousands.sum()) == ((144,), 40_363)
    assert np.array_equal(known.months, np.arange("1949-01", "1961-01", dtype="datetime64[M]"))
    assert list(known.thousands[[0, 1, -2, -1]]) == [112, 118, 390, 432]
    assert (known.thousands.max(), known.months[known.thousands.argmax()]) == (622, np.datetime64("1960-07"))


@given(st.integers(2, 30), st.data())
def test_windows_are_followed_by_their_next_value(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n - 1))
    inputs, targets = series.windows(np.arange(float(n)), k)
    assert inputs.shape == (n - k, k)
    assert np.array_equal(inputs[:, -1] + 1, targets)
    assert np.array_equal(inputs[:, 0], np.arange(n - k))


@pytest.mark.parametrize("k", [0, 5, 6])
def test_windows_that_do_not_fit_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match="does not fit a series of 5"):
        series.windows(np.arange(5.0), k)


def test_listing_workloads_imports_no_library_for_their_data() -> None:
    """torchvision alone takes seconds to import, so it is imported where a workload is built."""
    libraries = "{'torchvision', 'sklearn', 'matplotlib', 'pandas', 'scipy', 'statsmodels', 'PIL'}"
    modules = "bench_core.workloads.data.photos, bench_core.workloads.data.digits"
    code = f"import sys, {modules}; bench_core.workloads.names(); print({libraries} & {{*sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "set()"
