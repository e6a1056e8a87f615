"""Autoregressions of many series at once: drawing them, and estimating them by least squares."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench_core.workloads.data.series import AR1_LABEL, ar1_noise
from bench_core.workloads.kit import BuildContext, KnownCosts, Step, rotate, workload
from bench_core.workloads.series.css import regressed
from bench_core.workloads.series.recursion import FORMULATIONS, Formulation

LENGTH, PHI, DEVIATION = 1000, 0.5, 0.1
HELD_BACK = 5
"""The first values of a series, which are used only as regressors: as many as the recurrent networks get."""
LABEL = f"the {AR1_LABEL}, and others like it"

_BOX = "Box, Jenkins, Reinsel & Ljung, Time Series Analysis, 5th ed."
_autoregression = partial(
    workload,
    family="autoregression",
    kind="op",
    unit="series",
    reference_batch=1024,
    batches={"cpu": (1, 32, 1024), "cuda": (1, 32, 1024, 16_384, 131_072)},
    dtypes=("fp32", "default"),  # autocast leaves elementwise work as it is; products of data need full precision
    variants=("eager",),
)


@_autoregression(
    source=f"{_BOX}, section 3.2.3: the first-order process; scan: Kogge & Stone, A Parallel Algorithm for the "
    "Efficient Solution of a General Class of Recurrence Equations, IEEE Trans. Computers C-22(8), 1973",
    settings=FORMULATIONS,
    known_costs=KnownCosts("the first series: x[1] .049671, x[999] .006109, variance .012662", flops=2 * (LENGTH - 1)),
    regime="loop: Python and launches on both devices, in 999 small steps that depend on each other. scan: six passes "
    "over all values, each a copy and a sum, so Python and launches with few series and memory bandwidth with many",
)
def ar1_generate(ctx: BuildContext) -> Step:
    """x[t] = .5 x[t-1] + noise for 1,000 time steps of many series at once; the noise is drawn in advance."""
    count = ctx.resident_batches(4 * LENGTH * ctx.batch_size)
    feed = rotate([ctx.tensor(noise(ctx)) for _ in range(count)])
    formulation: Formulation = ctx.setting
    # .5 to the power of 64 is far below rounding, so no pass needs to reach further back.
    apply = formulation(ctx.tensor([[-PHI]]), 64)

    def run() -> Tensor:
        with torch.inference_mode():
            return apply(next(feed))

    return ctx.step(run, units=ctx.batch_size, flops=2 * (LENGTH - 1) * ctx.batch_size, data=LABEL)


@_autoregression(
    source=f"{_BOX}, section 7.3.1 and appendix A7.4: conditional least squares of an autoregression with a constant",
    settings={"k1": 1, "k5": 5, "k20": 20},
    known_costs=KnownCosts(
        "the first series, order 1: phi .49293, mean squared error .009594", flops=2 * 995 * (2 * 2 + 2)
    ),
    regime="Few series: Python and launches. Many series: on a GPU memory bandwidth, since the series are copied once "
    "per lag; on a CPU the matrix products, one per series, which use its arithmetic units poorly because they have "
    "few columns",
)
def ar_ols_batched(ctx: BuildContext) -> Step:
    """Least-squares fits of autoregressions of order k, with a constant, to 1,000 values of many series at once."""
    k: int = ctx.setting
    count = ctx.resident_batches(4 * LENGTH * ctx.batch_size)
    feed = rotate([ctx.tensor(series(noise(ctx)).T) for _ in range(count)])

    def run() -> dict[str, Tensor]:
        with torch.inference_mode():
            return least_squares(next(feed), k)

    n = LENGTH - max(HELD_BACK, k)
    flops = 2 * n * ((k + 1) ** 2 + k + 1) * ctx.batch_size  # products of all columns, and residuals
    return ctx.step(run, units=ctx.batch_size, flops=flops, data=LABEL)


def least_squares(series: Tensor, k: int) -> dict[str, Tensor]:
    """AR(k) with a constant for every row of (series, T): phi (k, series) and the mean squared error (series,).

    Solves the normal equations of centered columns. Their condition number is at most the ratio of the spectrum's
    maximum to its minimum, which is 9 for phi = .5.
    """
    rows = series[:, max(HELD_BACK, k) - k :].unfold(1, k + 1, 1)  # k values and the next one
    rows = rows - rows.mean(1, keepdim=True)
    weights = regressed(rows.mT @ rows, torch.zeros_like(rows[:, 0, 0]))
    residuals = rows @ torch.cat([-weights, torch.ones_like(weights[:1])]).T[:, :, None]
    return {"phi": weights.flip(0), "mse": residuals.square().mean((1, 2))}


def noise(ctx: BuildContext) -> NDArray[np.float64]:
    """The innovations of a batch, (LENGTH, batch): first those of the known series, then others from the seed."""
    drawn = ctx.rng.normal(0.0, DEVIATION, (LENGTH, ctx.batch_size))
    drawn[0] = 0
    drawn[:, 0] = ar1_noise(LENGTH)
    return drawn


def series(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """The series that these innovations drive, (T, series)."""
    values = noise.copy()
    for t in range(1, len(values)):
        values[t] += PHI * values[t - 1]
    return values
