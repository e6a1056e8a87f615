"""ARMA and ARIMA models of many short series, fitted at once; and, for reference, one after another by statsmodels."""

import warnings
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench_core.workloads.kit import BuildContext, CaseSkipped, KnownCosts, Step, rotate, workload
from bench_core.workloads.series import css
from bench_core.workloads.series.recursion import FORMULATIONS, Formulation

LENGTH = 500
PHI, THETA = (0.75, -0.25), (0.65, 0.35)
ARMA, ARIMA = css.Order(2, 0, 2), css.Order(2, 1, 2)
LABEL = f"simulated series of {LENGTH} values, phi .75 -.25, theta .65 .35, N(0, 1)"

_BOX = "Box, Jenkins, Reinsel & Ljung, Time Series Analysis, 5th ed."
_TRUE = "parameters of statsmodels' ARMA example"
_series = partial(workload, family="arma", unit="series", variants=("eager",))
_css = partial(
    _series,
    kind="op",
    batches={"cpu": (1, 32, 256), "cuda": (1, 32, 256, 2048, 16_384)},
    reference_batch=256,
    settings=FORMULATIONS,
    dtypes=("fp32", "default"),  # with 8 bits of mantissa, rounding hides the steps of a fit
    regime="Few series: Python and launches, in a chain of small operations that depend on each other, about 3,300 per "
    "call with scan and 35,000 with loop. Many series: memory bandwidth with scan, still Python and launches with loop",
)


@_css(
    source=f"{_BOX}, section 7.1: conditional least squares; start values of Hannan & Rissanen, Biometrika 69(1), "
    f"1982; {_TRUE}",
    known_costs=KnownCosts("finds phi .75 -.25 and theta .65 .35 within three standard errors", flops=642_232),
)
def arma_css_fit(ctx: BuildContext) -> Step:
    """ARMA(2, 2) fits of simulated series: start values, 16 steps of conditional least squares, standard errors."""
    return css_fits(ctx, ARMA)


@_css(
    source=f"{_BOX}, sections 4.1 and 7.1: conditional least squares after differencing; start values of Hannan & "
    f"Rissanen, Biometrika 69(1), 1982; {_TRUE}",
    known_costs=KnownCosts("finds phi .75 -.25 and theta .65 .35 within three standard errors", flops=640_942),
)
def arima_fit(ctx: BuildContext) -> Step:
    """ARIMA(2, 1, 2) fits of simulated series: start values, 16 steps of conditional least squares, standard errors."""
    return css_fits(ctx, ARIMA)


@_series(
    kind="pipeline",
    source="statsmodels, tsa.arima.model.ARIMA.fit by default: maximum likelihood, the Kalman filter and L-BFGS",
    batches={"cpu": (1,), "cuda": ()},
    full_batches={"cpu": (8,)},
    reference_batch=1,
    dtypes=("fp32",),
    heavy=True,
    known_costs=KnownCosts("the reference for arima_fit: log-likelihoods agree within 1%"),
    regime="One CPU core: a Python loop over the series, for each a filter over its time steps; it never uses a GPU",
    no_parity="statsmodels computes in float64 for every dtype, and is itself the reference for arima_fit",
)
def arima_statsmodels_fit(ctx: BuildContext) -> Step:
    """The reference for arima_fit: the same fits by statsmodels, in a Python loop, in float64 on the CPU."""
    try:
        from statsmodels.tsa.arima.model import ARIMA as Model  # noqa: N811 - a class, not a constant
    except ImportError:
        raise CaseSkipped("statsmodels is not installed: pip install statsmodels") from None
    feed = rotate(drawn(ctx, ARIMA.d))

    def run() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns at every fit that stops before its own criterion is met
            fits = [Model(series, order=ARIMA).fit() for series in next(feed).T]
        return torch.as_tensor(np.stack([fit.params for fit in fits], axis=1))

    return ctx.step(run, units=ctx.batch_size, flops=None, data=LABEL)


def css_fits(ctx: BuildContext, order: css.Order) -> Step:
    """The step of a workload that fits simulated series, with the recursions in the setting's formulation."""
    feed = rotate([ctx.tensor(series) for series in drawn(ctx, order.d)])
    formulation: Formulation = ctx.setting

    def run() -> dict[str, Tensor]:
        with torch.inference_mode():
            fit = css.fit(next(feed), order, formulation)
        return {"phi": fit.phi, "theta": fit.theta, "sigma2": fit.sigma2, "errors": fit.errors}

    flops = ctx.batch_size * css.flops(order, LENGTH)
    return ctx.step(run, units=ctx.batch_size, flops=flops, data=LABEL)


def drawn(ctx: BuildContext, d: int) -> list[NDArray[np.float64]]:
    """A few batches of simulated series, summed up ``d`` times: (LENGTH, batch) each."""
    count = ctx.resident_batches(4 * LENGTH * ctx.batch_size)
    return [simulated(ctx.rng, ctx.batch_size, d) for _ in range(count)]


def simulated(rng: np.random.Generator, count: int, d: int) -> NDArray[np.float64]:
    """ARIMA(2, d, 2) series, (LENGTH, count), of ``PHI``, ``THETA`` and standard normal noise, burn-in 100."""
    noise = rng.standard_normal((LENGTH + 100, count))
    series = noise.copy()
    for t in range(2, len(series)):
        series[t] += PHI[0] * series[t - 1] + PHI[1] * series[t - 2] + THETA[0] * noise[t - 1] + THETA[1] * noise[t - 2]
    series = series[100:]
    for _ in range(d):
        series = series.cumsum(axis=0)
    return series
