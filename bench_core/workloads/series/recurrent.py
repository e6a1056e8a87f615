"""Recurrent networks that forecast a short series: many dependent small steps, the hardest case for a GPU."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench_core.workloads.data.series import AR1_LABEL, ar1, windows
from bench_core.workloads.kit import (
    BuildContext,
    KnownCosts,
    Step,
    forward_flops,
    inference,
    training,
    training_flops,
    workload,
)


class Size(NamedTuple):
    """The length of a sequence and the hidden size."""

    length: int
    hidden: int


LENGTH, HIDDEN = 5, 64
"""The length and the hidden size of the source."""
# Each of the others differs in either the length of the sequence or the hidden size.
_SIZES = ((LENGTH, HIDDEN), (20, 64), (80, 64), (5, 256), (5, 1024))
_SETTINGS = {f"T{size.length}h{size.hidden}": size for size in map(Size._make, _SIZES)}
_BATCHES = (1, 8, 32, 256, 2048)
_FEWER = (1, 32, 2048)
_ar_train = partial(
    workload,
    family="recurrent",
    kind="train",
    unit="series",
    reference_batch=32,
    settings=_SETTINGS,
    variants=("eager", "compile", "cuda_graph"),
    regime="Few series: launches and Python, since the T steps of a sequence depend on each other, forward and "
    "backward, and each is small, which favors the low latency of a CPU. Arithmetic only with thousands of series or "
    "hidden size 1024",
)
_FORECASTER = "the forecaster of common PyTorch tutorials: k 5, hidden 64, Adam .001"


@_ar_train(
    source="Hochreiter & Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997, section 4, with the "
    f"forget gate of Gers et al. 2000, section 3; {_FORECASTER}",
    batches={"cpu": _BATCHES, "cuda": (*_BATCHES, 16_384, 65_536)},
    known_costs=KnownCosts("17,217 parameters; 83,264 multiply-adds forward, at T 5", 17_217, 464_256),
)
def lstm_ar_train(ctx: BuildContext) -> Step:
    """Training of an LSTM to forecast the next value of an AR(1) series: forward, backward and Adam."""
    return forecast_training(ctx, nn.LSTM)


@_ar_train(
    source=f"Elman, Finding Structure in Time, Cognitive Science 14(2), 1990 (tanh); {_FORECASTER}",
    batches={"cpu": _FEWER, "cuda": (*_FEWER, 16_384, 65_536)},
    known_costs=KnownCosts("4,353 parameters; 20,864 multiply-adds forward, at T 5", 4_353, 116_352),
)
def rnn_ar_train(ctx: BuildContext) -> Step:
    """Training of an Elman RNN to forecast the next value of an AR(1) series: forward, backward and Adam."""
    return forecast_training(ctx, nn.RNN)


@_ar_train(
    source="Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014, section 2.3, with the "
    f"reset gate after the product, as in torch; {_FORECASTER}",
    batches={"cpu": _FEWER, "cuda": (*_FEWER, 16_384, 65_536)},
    known_costs=KnownCosts("12,929 parameters; 62,464 multiply-adds forward, at T 5", 12_929, 348_288),
)
def gru_ar_train(ctx: BuildContext) -> Step:
    """Training of a GRU to forecast the next value of an AR(1) series: forward, backward and Adam."""
    return forecast_training(ctx, nn.GRU)


@workload(
    family="recurrent",
    kind="infer",
    unit="forecast",
    source="The prediction loops of common PyTorch courses, on the network and the series of lstm_ar_train: next "
    "forecasts the value after a window; rolling20 forecasts the next 20 values, each from a window that was shifted "
    "by one to take in the forecast before it. As in the courses, the whole network runs again over each window, and "
    "no hidden state is carried over. Unlike there, no forecast is read on the host",
    batches={"cpu": (1, 32, 2048), "cuda": (1, 32, 2048, 16_384, 65_536)},
    reference_batch=1,
    settings={"next": 1, "rolling20": 20},
    variants=("eager", "compile", "cuda_graph"),
    known_costs=KnownCosts(
        "17,217 parameters; 83,264 multiply-adds per forecast, in both settings; a call of rolling20 makes 20 "
        "forecasts of each series",
        17_217,
        166_528,
    ),
    regime="Few series: launches and Python. The 5 steps of a window depend on each other, and so do the 20 windows "
    "of rolling20: 100 small steps, one after another. Arithmetic only with thousands of series",
)
def lstm_ar_infer(ctx: BuildContext) -> Step:
    """Forecasts of an AR(1) series by lstm_ar_train's LSTM: one step ahead, or 20 steps, each from those before it."""
    horizon: int = ctx.setting
    inputs, _ = windows(ar1(), LENGTH)
    batches = [ctx.tensor(inputs[r][..., None]) for r in ctx.draw_rows(len(inputs), row_bytes=4 * LENGTH)]
    model = ctx.model(lambda: Forecaster(nn.LSTM, HIDDEN), train=False)
    return ctx.step(
        inference(ctx, model, batches) if horizon == 1 else rolling(ctx, model, batches, horizon),
        units=ctx.batch_size * horizon,
        flops=horizon * forward_flops(model, (ctx.batch_size, LENGTH, 1)),
        data=AR1_LABEL,
        modules={"model": model},
    )


class Forecaster(nn.Module):
    """A recurrent layer over (batch, T, 1) and a linear map of its last output to (batch, 1)."""

    def __init__(self, cell: Callable[..., nn.Module], hidden: int) -> None:
        super().__init__()
        self.recurrent = cell(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, series: Tensor) -> Tensor:
        """The next value of each series."""
        outputs, _ = self.recurrent(series)
        forecast: Tensor = self.head(outputs[:, -1])
        return forecast


def forecast_training(ctx: BuildContext, cell: Callable[..., nn.Module]) -> Step:
    """The step of a workload that trains a recurrent layer (``nn.LSTM``, ``nn.GRU``, ``nn.RNN``) to forecast."""
    length, hidden = ctx.setting
    inputs, targets = windows(ar1(), length)
    rows = ctx.draw_rows(len(inputs), row_bytes=4 * (length + 1))
    batches = [(ctx.tensor(inputs[r][..., None]), ctx.tensor(targets[r][..., None])) for r in rows]
    model = ctx.model(lambda: Forecaster(cell, hidden), train=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    return ctx.step(
        training(ctx, model, optimizer, F.mse_loss, batches),
        units=ctx.batch_size,
        flops=training_flops(model, (ctx.batch_size, length, 1)),
        data=AR1_LABEL,
        modules={"model": model},
        optimizers={"model": optimizer},
    )


def rolling(ctx: BuildContext, model: nn.Module, batches: Sequence[Tensor], horizon: int) -> Callable[[], Tensor]:
    """A function that forecasts ``horizon`` values after each series of the next batch: (batch, horizon)."""
    forecast = ctx.autocasted(partial(forecasts, ctx.forward(model), horizon))
    feed = ctx.feed(batches)

    def run() -> Tensor:
        with torch.inference_mode():
            return forecast(next(feed))  # type: ignore[no-any-return]

    return run


def forecasts(forward: Callable[[Tensor], Tensor], horizon: int, window: Tensor) -> Tensor:
    """The values after each window (batch, T, 1), each from the window that ends with the one before: (batch, horizon).

    ``forward`` maps windows to the value after each, (batch, 1).
    """
    values = [forward(window)]
    for _ in range(horizon - 1):
        window = torch.cat((window[:, 1:], values[-1][:, None]), 1)
        values.append(forward(window))
    return torch.cat(values, 1)
