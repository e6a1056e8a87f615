"""Real data without a download: handwritten digits, sample photos, AirPassengers and the AR(1) series.

torchvision and scikit-learn are imported where they are used: torchvision alone takes seconds.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MNIST = "MNIST"
STAND_IN = "digits stand-in"
AR1_LABEL = "AR(1) series of 1,000 values, seed 42"
PHOTOS_LABEL = "crops of grace_hopper.jpg, china.jpg and flower.jpg"

_AIR_PASSENGERS = Path(__file__).parent / "data" / "airpassengers.csv"
_SIZES = {"train": 60_000, "t10k": 10_000}
# Lies beside the files of the stand-in, so that it is not called MNIST when someone names its folder as real data.
_MARK = "digits-stand-in"
# Goes up whenever the files' content changes, so that no older cache is taken for the present one.
_VERSION = 1


@dataclass(frozen=True)
class Digits:
    """Labelled images of handwritten digits: (n, 28, 28) of 0 to 255, their (n,) classes, and what they are."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source: str


@dataclass(frozen=True)
class AirPassengers:
    """A monthly series: (144,) months, ``datetime64[M]``, and (144,) thousands of passengers."""

    months: NDArray[np.datetime64]
    thousands: NDArray[np.int64]


def mnist(data_dir: Path | None = None, *, train: bool) -> Digits:
    """MNIST's training or test part from ``data_dir``, or that of the digits stand-in without one.

    ``data_dir`` is laid out as ``torchvision.datasets.MNIST`` wants it. Nothing is ever downloaded: a folder without
    usable files raises ``ValueError``.
    """
    root, source = mnist_root(data_dir)
    from torchvision import datasets

    try:
        part = datasets.MNIST(root, train=train)
        images, labels = part.data.numpy(), part.targets.numpy()
        if images.shape != (len(labels), 28, 28):
            raise ValueError(f"{len(labels)} labels for images of shape {images.shape}")
    except Exception as error:  # a damaged file raises nearly anything, from AssertionError to TypeError
        raise ValueError(f"cannot read the MNIST files in {root} (damaged or cut short?); {_mend(data_dir)}") from error
    return Digits(images, labels, source)


def mnist_root(data_dir: Path | None = None) -> tuple[Path, str]:
    """The folder to give to ``torchvision.datasets.MNIST`` and what lies there: MNIST or the digits stand-in.

    Raises ``ValueError`` if ``data_dir`` is not a folder or lacks one of the four files.
    """
    root = data_dir if data_dir is not None else digits_stand_in()
    if not root.is_dir():
        raise ValueError(f"no data folder {root}; name one that holds MNIST/raw, or none for the {STAND_IN}")
    raw = root / "MNIST" / "raw"
    missing = [name for part in _SIZES for name in _file_names(part) if not (raw / name).is_file()]
    if missing:
        raise ValueError(f"no MNIST in {root}: MNIST/raw lacks {', '.join(missing)}; {_mend(data_dir)}")
    return root, STAND_IN if (raw / _MARK).exists() else MNIST


@cache
def digits_stand_in() -> Path:
    """The folder of the digits stand-in for MNIST, written first if it is not there.

    scikit-learn's 1,797 digits of 8x8 are split into train and test, enlarged to 28x28, and repeated to 60,000 and
    10,000. The folder is in the cache directory, or a temporary one for this process where that is not writable.
    """
    try:
        return _written_once(cache_dir() / f"{_MARK}-{_VERSION}")
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        folder = Path(tempfile.mkdtemp(prefix="bench-core-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return _written_once(folder / f"{_MARK}-{_VERSION}")


def cache_dir() -> Path:
    """Where made-up files are kept: $BENCH_CORE_CACHE, $XDG_CACHE_HOME/bench-core or ~/.cache/bench-core."""
    if own := os.environ.get("BENCH_CORE_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "bench-core"
    return Path.home() / ".cache" / "bench-core"


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write bytes of up to three dimensions as an IDX file, the format of MNIST (LeCun et al.)."""
    header = (0x0800 + array.ndim, *array.shape)
    path.write_bytes(np.array(header, dtype=">i4").tobytes() + array.astype(np.uint8).tobytes())


@cache
def photos() -> Mapping[str, NDArray[np.uint8]]:
    """The sample photos of matplotlib and scikit-learn by file name, as (height, width, 3) of 0 to 255."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image
    from sklearn.datasets import load_sample_image

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        hopper = np.asarray(image.convert("RGB"))
    return {"grace_hopper.jpg": hopper} | {name: load_sample_image(name) for name in ("china.jpg", "flower.jpg")}


def photo_crops(rng: np.random.Generator, count: int, side: int) -> NDArray[np.uint8]:
    """Square crops of the photos in turn, each at a place of its own: (count, side, side, 3) of 0 to 255."""
    sources = list(photos().values())
    crops = np.empty((count, side, side, 3), dtype=np.uint8)
    for i in range(count):
        photo = sources[i % len(sources)]
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape[:2])
        crops[i] = photo[top : top + side, left : left + side]
    return crops


def ar1(n: int = 1000, seed: int = 42) -> NDArray[np.float64]:
    """A first-order autoregression: x[0] = 0, x[t] = .5 x[t-1] + N(0, .1), drawn by NumPy's ``RandomState``."""
    series = ar1_noise(n, seed)
    for t in range(1, n):
        series[t] += 0.5 * series[t - 1]
    return series


def ar1_noise(n: int = 1000, seed: int = 42) -> NDArray[np.float64]:
    """The innovations of ``ar1``, one a value; the first is 0."""
    return np.append(0.0, np.random.RandomState(seed).normal(0.0, 0.1, n - 1))


@cache
def air_passengers() -> AirPassengers:
    """Passengers of international airlines a month, January 1949 to December 1960, in thousands.

    Series G of Box & Jenkins, Time Series Analysis, 1970.
    """
    months, thousands = np.loadtxt(_AIR_PASSENGERS, dtype=str, delimiter=",", skiprows=1, unpack=True)
    return AirPassengers(months.astype("datetime64[M]"), thousands.astype(np.int64))


def windows(series: NDArray[np.float64], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every run of ``k`` values and the value after it: (n - k, k) and (n - k,).

    Raises ``ValueError`` if the series is too short to hold one.
    """
    if not 1 <= k < len(series):
        raise ValueError(f"a window of {k} values and the next one does not fit a series of {len(series)}")
    return np.lib.stride_tricks.sliding_window_view(series[:-1], k), series[k:]


def _mend(data_dir: Path | None) -> str:
    return "put the unpacked files there" if data_dir else "delete that folder and it is made anew"


def _file_names(part: str) -> tuple[str, str]:
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


def _written_once(root: Path) -> Path:
    """``root`` with the stand-in's files; renamed into place whole, so that nobody ever sees a part of it."""
    if root.is_dir():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _write_stand_in(draft)
        draft.chmod(0o755)
        draft.rename(root)
    except OSError:
        if not root.is_dir():  # else another process was quicker, and its files are the same
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _write_stand_in(root: Path) -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    # Split before repeating: else every test image would be among the training images. 6 to 1, as in MNIST.
    images, test_images, labels, test_labels = train_test_split(
        digits.images, digits.target, test_size=1 / 7, random_state=0, stratify=digits.target
    )
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / _MARK).write_text("scikit-learn's load_digits, enlarged to 28x28 and repeated: not MNIST\n")
    for part, x, y in (("train", images, labels), ("t10k", test_images, test_labels)):
        rows = np.arange(_SIZES[part]) % len(x)
        images_name, labels_name = _file_names(part)
        write_idx(raw / images_name, _enlarged(x)[rows])
        write_idx(raw / labels_name, y[rows].astype(np.uint8))


def _enlarged(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """8x8 images of 0 to 16 as 28x28 of 0 to 255: every pixel three times each way, and a margin of 2."""
    bytes_ = np.rint(images * (255 / 16)).astype(np.uint8)
    return np.pad(bytes_.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
