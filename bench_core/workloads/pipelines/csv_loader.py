"""From a table in a CSV file to a training loop: the work that comes before a model gets a row."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench_core.workloads.kit import BuildContext, KnownCosts, Step, workload

if TYPE_CHECKING:
    import pandas as pd

ROWS, FEATURES, CLASSES = 5_000, 16, 3
TRAINING_SHARE = 0.8
LABEL = "class"

Batch = tuple[Tensor, Tensor]


class Rows:
    """Rows of a table: its features, scaled to mean 0 and deviation 1 over these rows, and its class.

    A scaler that was also fitted on the test rows would leak them to the model.
    """

    def __init__(self, table: pd.DataFrame, rows: NDArray[np.intp]) -> None:
        from sklearn.preprocessing import StandardScaler

        chosen = table.iloc[rows]
        self.scaler = StandardScaler().fit(chosen.drop(columns=LABEL).to_numpy())
        self.features: NDArray[np.float64] = self.scaler.transform(chosen.drop(columns=LABEL).to_numpy())
        self.classes = chosen[LABEL].to_numpy(np.int64, copy=True)


class Prepared(Dataset[Batch]):
    """Rows as tensors that were made once."""

    def __init__(self, rows: Rows, dtype: torch.dtype) -> None:
        self.features, self.classes = torch.from_numpy(rows.features).to(dtype), torch.from_numpy(rows.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, row: int) -> Batch:
        return self.features[row], self.classes[row]


class TensorsPerItem(Dataset[Batch]):
    """Rows as arrays; each item is made into two tensors when it is requested."""

    def __init__(self, rows: Rows, dtype: torch.dtype) -> None:
        self._rows, self._dtype = rows, dtype

    def __len__(self) -> int:
        return len(self._rows.classes)

    def __getitem__(self, row: int) -> Batch:
        return torch.tensor(self._rows.features[row], dtype=self._dtype), torch.tensor(self._rows.classes[row])


@workload(
    family="pipeline",
    kind="pipeline",
    unit="row",
    source="PyTorch tutorials, Datasets and DataLoaders, Creating a Custom Dataset for your files, on a table: "
    "pandas.read_csv, scikit-learn's StandardScaler fitted on the training part, a Dataset of rows, DataLoader. "
    "prepared: the Dataset makes its tensors once and gives rows of them; tensors-per-item: it keeps arrays, and makes "
    "two tensors for each item, torch.tensor(row) and torch.tensor(label), as in beginners' courses",
    batches={"cpu": (64, 256, 1024), "cuda": (64, 256, 1024)},
    reference_batch=64,
    dtypes=("fp32",),
    variants=("eager",),
    settings={"prepared": Prepared, "tensors-per-item": TensorsPerItem},
    known_costs=KnownCosts(
        "float32 features and int64 classes; the scaler is fitted on the training part only; both settings give the "
        "same batches"
    ),
    regime="Python: rows are selected (or made into tensors) and stacked one by one, and text is parsed to numbers on "
    "one core. A GPU only adds copies",
)
def csv_loader(ctx: BuildContext) -> Step:
    """A CSV file, read, scaled and loaded in shuffled batches: 4,000 training rows of 16 features and a class."""
    pipeline = Pipeline(ctx)
    return ctx.step(
        pipeline,
        units=len(pipeline.training_rows),
        flops=None,
        data=f"table of {ROWS:,} rows drawn from normal distributions",
        stages={
            "read": pipeline.read,
            "scale": pipeline.scale,
            "batch": pipeline.batch,
            "transfer": pipeline.transfer,
        },
        loading=("read", "scale", "batch"),
        moving=("transfer",),
    )


class Pipeline:
    """From a CSV file to batches of the training part on the device.

    Calling it runs all stages; each stage works on the result of the one before.
    """

    def __init__(self, ctx: BuildContext) -> None:
        folder = Path(tempfile.mkdtemp(prefix="bench-core-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._path, self._ctx = folder / "table.csv", ctx
        made_up(ctx.rng).to_csv(self._path, index=False)
        self.training_rows = np.sort(ctx.rng.permutation(ROWS)[: round(TRAINING_SHARE * ROWS)])

    def __call__(self) -> dict[str, Tensor]:
        """The features of the last batch."""
        self.read()
        self.scale()
        self.batch()
        return self.transfer()

    def read(self) -> None:
        """Parse the text to a table."""
        import pandas as pd

        self._table = pd.read_csv(self._path)

    def scale(self) -> None:
        """Fit the scaler on the training part and scale that part."""
        make: Callable[[Rows, torch.dtype], Dataset[Batch]] = self._ctx.setting
        self._items = make(Rows(self._table, self.training_rows), self._ctx.storage)

    def batch(self) -> None:
        """Select and stack all rows, in the same shuffled order in each call."""
        order = torch.Generator().manual_seed(self._ctx.case.seed)
        self._batches: list[Batch] = list(DataLoader(self._items, self._ctx.batch_size, shuffle=True, generator=order))

    def transfer(self) -> dict[str, Tensor]:
        """Move all batches to the device."""
        moved = [[part.to(self._ctx.device) for part in batch] for batch in self._batches]
        return {"features": moved[-1][0]}


def made_up(rng: np.random.Generator) -> pd.DataFrame:
    """A table of random features, each on its own scale and around a center for each class, and the class."""
    import pandas as pd

    classes = rng.integers(0, CLASSES, ROWS)
    centers, scales = rng.normal(size=(CLASSES, FEATURES)), 10.0 ** rng.uniform(-2, 3, FEATURES)
    features = (centers[classes] + rng.normal(size=(ROWS, FEATURES))) * scales
    return pd.DataFrame(features, columns=[f"x{i}" for i in range(FEATURES)]).assign(**{LABEL: classes})
