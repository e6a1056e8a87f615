"""CIFAR-10 from a folder of the user: its binary version, which is read as plain bytes.

Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009. The layout of the files is that of
https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version". The python version is refused: its files are pickles, and
reading a pickle can run code that is in it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench_core.core.errors import DataError
from bench_core.workloads.data.labeled import LabeledImages

CIFAR10 = "CIFAR-10"
FOLDER, PICKLES = "cifar-10-batches-bin", "cifar-10-batches-py"
SHAPE, CLASSES = (3, 32, 32), 10
IMAGES_PER_FILE = 10_000
_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_TEST = ("test_batch.bin",)
_RECORD = 1 + 3 * 32 * 32
"""Bytes of an image: its class, then its pixels, 1,024 of each channel, row by row."""
_FIX = "unpack cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html there"


def has_cifar10(data_dir: Path) -> bool:
    """Whether a folder of real data sets has the binary version of CIFAR-10, complete or not.

    Raises ``DataError`` if it has only the python version.
    """
    has = (data_dir / FOLDER).exists()
    if not has and (data_dir / PICKLES).exists():
        raise DataError(
            f"{data_dir} has the python version of CIFAR-10, which is not read: pickles can run code; {_FIX}, which "
            f"makes {FOLDER}"
        )
    return has


def cifar10(data_dir: Path, *, train: bool) -> LabeledImages:
    """The training part of CIFAR-10, 50,000 images (n, 3, 32, 32), or the test part, 10,000, from ``data_dir``.

    Nothing is ever downloaded. Raises ``DataError`` for files that are missing, or of another size or content than
    CIFAR-10's.
    """
    files = [_records(data_dir / FOLDER / name) for name in (_TRAIN if train else _TEST)]
    records = np.concatenate(files)
    return LabeledImages(records[:, 1:].reshape(-1, *SHAPE), records[:, 0].astype(np.int64), CIFAR10)


def _records(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The images of a file, one per row: its class and its pixels."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"CIFAR-10: {path} cannot be read: {error.strerror}; {_FIX}") from error
    expected = IMAGES_PER_FILE * _RECORD
    if len(content) != expected:
        raise DataError(f"CIFAR-10: {path} has {len(content):,} bytes, not {expected:,} (cut short?); {_FIX}")
    records = np.frombuffer(content, np.uint8).reshape(IMAGES_PER_FILE, _RECORD)
    if (highest := int(records[:, 0].max())) >= CLASSES:
        raise DataError(f"CIFAR-10: {path} is damaged: it has a class {highest}, and there are {CLASSES}; {_FIX}")
    return records
