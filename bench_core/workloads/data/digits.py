"""Handwritten digits: real MNIST from a folder, or the digits stand-in.

scikit-learn is imported where it is used, since importing it takes most of a second.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench_core.core.cache import cache_dir
from bench_core.core.errors import DataError
from bench_core.workloads.data.labeled import LabeledImages

if TYPE_CHECKING:
    from numpy.typing import NDArray

MNIST = "MNIST"
STAND_IN = "digits stand-in"

_SIZES = {"train": 60_000, "t10k": 10_000}
# The first number of an IDX file of bytes, without the number of dimensions, of which there are up to three.
_BYTES, _DIMENSIONS = 0x0800, 3
# A file next to those of the stand-in, so that its folder is not taken for MNIST if someone names it as real data.
_MARK = "digits-stand-in"
# Increased whenever the files' content changes, so that an older cache is not used for the present one.
_VERSION = 1


def mnist(data_dir: Path | None = None, *, train: bool) -> LabeledImages:
    """MNIST's training or test part from ``data_dir``, or that of the digits stand-in without ``data_dir``.

    The images are (n, 28, 28); only those that are used are read. ``data_dir`` has the layout that
    ``torchvision.datasets.MNIST`` expects. Nothing is ever downloaded. Raises ``DataError`` (a ``ValueError``) for a
    folder without usable files.
    """
    root, source = mnist_root(data_dir)
    try:
        images, labels = (read_idx(root / "MNIST" / "raw" / name) for name in _file_names("train" if train else "t10k"))
        if images.shape != (*labels.shape, 28, 28):
            raise ValueError(f"labels of shape {labels.shape} for images of shape {images.shape}")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the MNIST files in {root} (damaged or cut short?); {_fix(data_dir)}") from error
    return LabeledImages(images, labels.astype(np.int64), source)


def mnist_root(data_dir: Path | None = None) -> tuple[Path, str]:
    """The folder for ``torchvision.datasets.MNIST``, and the name of the data in it: MNIST or the digits stand-in.

    Raises ``DataError`` (a ``ValueError``) if ``data_dir`` is not a folder or lacks one of the four files.
    """
    root = data_dir if data_dir is not None else digits_stand_in()
    if not root.is_dir():
        raise DataError(f"no data folder {root}; name one that holds MNIST/raw, or none for the {STAND_IN}")
    raw = root / "MNIST" / "raw"
    missing = [name for part in _SIZES for name in _file_names(part) if not (raw / name).is_file()]
    if missing:
        raise DataError(f"no MNIST in {root}: MNIST/raw lacks {', '.join(missing)}; {_fix(data_dir)}")
    return root, STAND_IN if (raw / _MARK).exists() else MNIST


@cache
def digits_stand_in() -> Path:
    """The folder of the digits stand-in for MNIST; its files are written first if they do not exist.

    scikit-learn's 1,797 digits of 8x8 are split into train and test, enlarged to 28x28, and repeated to 60,000 and
    10,000. The folder is in the cache directory; if that is not writable, it is a temporary one for this process.
    """
    try:
        return _written_once(cache_dir() / f"{_MARK}-{_VERSION}")
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        folder = Path(tempfile.mkdtemp(prefix="bench-core-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return _written_once(folder / f"{_MARK}-{_VERSION}")


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write bytes of up to three dimensions as an IDX file, the format of MNIST (LeCun et al.)."""
    header = (_BYTES + array.ndim, *array.shape)
    path.write_bytes(np.array(header, dtype=">i4").tobytes() + array.astype(np.uint8).tobytes())


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The bytes of an IDX file, which are read from the disk as they are used; what is changed stays in memory.

    Raises ``ValueError`` for a file that is not one or not complete, and ``OSError`` for one that cannot be read.
    """
    header: list[int] = np.fromfile(path, ">i4", count=1 + _DIMENSIONS).tolist()
    dimensions = header[0] - _BYTES if header else 0
    if not 1 <= dimensions <= _DIMENSIONS:
        raise ValueError(f"{path.name}: is not an IDX file of bytes")
    shape, begin = tuple(header[1 : 1 + dimensions]), 4 * (1 + dimensions)
    if len(shape) < dimensions or path.stat().st_size != begin + prod(shape):
        raise ValueError(f"{path.name}: is not complete")
    return np.asarray(np.memmap(path, np.uint8, "c", begin, shape))


def _fix(data_dir: Path | None) -> str:
    return "put the unpacked files there" if data_dir else "delete that folder; it will be generated again"


def _file_names(part: str) -> tuple[str, str]:
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


def _written_once(root: Path) -> Path:
    """``root`` with the stand-in's files. A complete folder is renamed to it, so that no process ever sees a part."""
    if root.is_dir():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _write_stand_in(draft)
        draft.chmod(0o755)
        draft.rename(root)
    except OSError:
        if not root.is_dir():  # otherwise another process was faster, and its files are the same
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _write_stand_in(root: Path) -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    # Split before repeating: otherwise the training images would contain every test image. 6 to 1, as in MNIST.
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
    """8x8 images of 0 to 16 as 28x28 of 0 to 255: every pixel three times in each direction, and a margin of 2."""
    bytes_ = np.rint(images * (255 / 16)).astype(np.uint8)
    return np.pad(bytes_.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
