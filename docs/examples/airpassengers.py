"""AirPassengers by ARIMA(2, 1, 2), step by step: the numbers and figures of docs/arima.md.

Run from the checkout: python docs/examples/airpassengers.py
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # so that it also runs from a checkout that is not installed

from bench_core.workloads.data.series import air_passengers  # noqa: E402
from bench_core.workloads.series import css  # noqa: E402

IMAGES = ROOT / "docs" / "images"
ORDER = css.Order(2, 1, 2)
LAGS = 36
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """A monthly series, fitted in logarithms; each step is computed when it is first used."""

    thousands: pd.Series

    @cached_property
    def logs(self) -> Numbers:
        """Natural logarithms."""
        logs: Numbers = np.log(self.thousands.to_numpy(dtype=float))
        return logs

    @cached_property
    def fit(self) -> css.Fit:
        """Our fit, by conditional sum of squares; it takes more steps than the benchmark, as the optimum is flat."""
        return css.fit(torch.tensor(self.logs)[:, None], ORDER, iterations=100)

    @cached_property
    def estimates(self) -> Numbers:
        """phi1, phi2, theta1, theta2 and sigma^2."""
        return torch.cat([self.fit.phi, self.fit.theta, self.fit.sigma2[None]])[:, 0].numpy()

    @cached_property
    def residuals(self) -> pd.Series:
        """The residuals of our fit, by month. The first three months have none: the difference needs one, phi two."""
        values = self.fit.residuals[:, 0].numpy()
        return pd.Series(values, index=self.thousands.index[-len(values) :])

    def model(self) -> Any:
        """statsmodels' model of the same order on the same numbers."""
        from statsmodels.tsa.arima.model import ARIMA

        return ARIMA(self.logs, order=ORDER, trend="n")

    @cached_property
    def default(self) -> Any:
        """statsmodels' fit with its defaults."""
        return quietly(self.model().fit)

    @cached_property
    def from_ours(self) -> Any:
        """statsmodels' fit, started at our estimates."""
        return quietly(self.model().fit, start_params=self.estimates)

    def forecast(self, steps: int = 12) -> pd.DataFrame:
        """Median and 95% interval for the months after the last, in thousands, from our estimates.

        The variance of a forecast h steps ahead is sigma^2 times the sum of the first h squared psi weights (Box &
        Jenkins, section 5.1); in logarithms it is normal.
        """
        phi, theta, sigma2 = self.estimates[:2], self.estimates[2:4], self.estimates[4]
        w, e = list(np.diff(self.logs)), list(self.residuals)
        for _ in range(steps):
            w.append(phi @ w[:-3:-1] + theta @ e[:-3:-1])
            e.append(0.0)
        psi = [1.0, phi[0] + theta[0]]
        psi.append(phi @ psi[::-1] + theta[1])
        while len(psi) < steps:
            psi.append(phi @ psi[:-3:-1])
        middle = self.logs[-1] + np.cumsum(w[-steps:])
        half = 1.96 * np.sqrt(sigma2 * np.cumsum(np.cumsum(psi[:steps]) ** 2))
        # "MS", month start: pandas 3 does not have "M", and month ends would not align with the series.
        months = pd.date_range(self.thousands.index[-1], periods=steps + 1, freq="MS")[1:]
        columns = {"low": middle - half, "median": middle, "high": middle + half}
        return pd.DataFrame({name: np.exp(values) for name, values in columns.items()}, index=months)


def quietly(fit: Any, **options: Any) -> Any:
    """A fit by statsmodels, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(**options)


def read() -> Example:
    """AirPassengers, with each value at the first day of its month."""
    known = air_passengers()
    index = pd.DatetimeIndex(known.months.astype("datetime64[s]"), freq="MS")
    return Example(pd.Series(known.thousands, index=index))


def unit_root(values: Numbers) -> float:
    """p of the augmented Dickey-Fuller test with statsmodels' defaults; small if a unit root is unlikely."""
    from statsmodels.tsa.stattools import adfuller

    return float(quietly(adfuller, x=values)[1])


def figures(example: Example) -> list[str]:
    """The numbers that docs/arima.md quotes, line by line."""
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tsa.stattools import acf

    plain = example.thousands.to_numpy(dtype=float)
    steps = np.diff(example.logs)
    lines = [
        f"{len(plain)} months, {example.thousands.index[0]:%B %Y} to {example.thousands.index[-1]:%B %Y}, "
        f"sum {plain.sum():,.0f} thousand",
        f"ADF p: series {unit_root(plain):.4f}, differenced {unit_root(np.diff(plain)):.4f}; "
        f"logs {unit_root(example.logs):.4f}, differenced {unit_root(steps):.4f}",
        "spread within 1949 and 1960: {:.1f} and {:.1f} thousand; of logs {:.3f} and {:.3f}".format(
            *(values[part].std() for values in (plain, example.logs) for part in (slice(12), slice(-12, None)))
        ),
    ]
    series = example.model()
    for name, estimates, likelihood in (
        ("ours (CSS)", example.estimates, series.loglike(example.estimates)),
        ("statsmodels, default", example.default.params, example.default.llf),
        ("statsmodels from ours", example.from_ours.params, example.from_ours.llf),
    ):
        lines.append(
            f"{name:<22s} phi {estimates[0]:6.3f} {estimates[1]:6.3f}  theta {estimates[2]:6.3f} {estimates[3]:6.3f}  "
            f"sigma {estimates[4] ** 0.5:.4f}  log-likelihood {likelihood:.2f}"
        )
    errors = example.fit.errors[:, 0]
    lines.append("standard errors of ours     {:6.3f} {:6.3f}        {:6.3f} {:6.3f}".format(*errors))
    phi = example.estimates[:2]
    period = 2 * np.pi / np.arccos(phi[0] / (2 * np.sqrt(-phi[1])))
    lines.append(f"roots: phi a cycle of {period:.1f} months damped by {1 - np.sqrt(-phi[1]):.1%} a month")
    lines.append(f"statsmodels' residual[0] {example.default.resid[0]:.3f} is the logarithm of {plain[0]:.0f}")
    residuals = example.residuals
    correlations = acf(residuals, nlags=24)
    lines.append(
        f"{len(residuals)} residuals from {residuals.index[0]:%B %Y} on: correlation at lag 12 {correlations[12]:.2f}, "
        f"at 24 {correlations[24]:.2f}; expected within {1.96 / np.sqrt(len(residuals)):.2f}"
    )
    box = acorr_ljungbox(residuals, lags=[12, 24], model_df=4)["lb_pvalue"]
    lines.append(f"Ljung-Box p: 12 lags {box[12]:.1e}, 24 lags {box[24]:.1e}")
    forecast = example.forecast()
    lines += [
        f"{m:%Y-%m}  {r.low:4.0f}  {r.median:4.0f}  {r.high:4.0f}"
        for m, r in zip(forecast.index, forecast.itertuples(), strict=True)
    ]
    early = Example(example.thousands[:-12])
    truth = example.thousands[-12:]
    last = early.thousands[-12:].to_numpy()
    naive = last * last.sum() / early.thousands[-24:-12].sum()
    lines.append(
        f"1960 from the years before: off by {rms(early.forecast()['median'], truth):.0f} thousand (root mean square); "
        f"last year's months times last year's growth by {rms(naive, truth):.0f}"
    )
    return lines


def rms(forecast: Any, truth: pd.Series) -> float:
    """The root mean square of the errors."""
    return float(np.sqrt(np.mean((np.asarray(forecast) - truth.to_numpy()) ** 2)))


def main() -> None:
    """Print the numbers and draw the figures."""
    example = read()
    print(*figures(example), sep="\n")
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3})
    for name, draw in {
        "series": series,
        "correlations": correlations,
        "residuals": residuals,
        "forecast": forecast,
    }.items():
        drawn = draw(example)
        drawn.savefig(IMAGES / f"arima-{name}.png", dpi=110)


def panels(count: int, height: float, **options: Any) -> tuple[Any, Any]:
    """A figure with this many panels, one below the other."""
    from matplotlib import pyplot as plt

    return plt.subplots(count, 1, figsize=(8, height), layout="constrained", squeeze=False, **options)


def series(example: Example) -> Any:
    """The series, its logarithms, and their differences."""
    drawn, axes = panels(3, 7, sharex=True)
    index = example.thousands.index
    rows = (
        ("Thousands of passengers a month", example.thousands),
        ("Their logarithms", example.logs),
        ("Logarithms, differenced once", np.append(np.nan, np.diff(example.logs))),
    )
    for axis, (title, values) in zip(axes[:, 0], rows, strict=True):
        axis.plot(index, values, color="C0", linewidth=1.2)
        axis.set_title(title, loc="left", fontsize=11)
    return drawn


def stems(axis: Any, values: Numbers, count: int, title: str) -> None:
    """Correlations by lag, with the band that contains 95% of those of white noise."""
    axis.axhspan(-1.96 / np.sqrt(count), 1.96 / np.sqrt(count), color="C0", alpha=0.15, linewidth=0)
    axis.vlines(np.arange(1, len(values)), 0, values[1:], color="C0")
    axis.plot(np.arange(1, len(values)), values[1:], "o", color="C0", markersize=3)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xticks(range(0, len(values), 12))
    axis.set_title(title, loc="left", fontsize=11)


def correlations(example: Example) -> Any:
    """ACF and PACF of the differenced logarithms."""
    from statsmodels.tsa.stattools import acf, pacf

    steps = np.diff(example.logs)
    drawn, axes = panels(2, 5, sharex=True)
    stems(axes[0, 0], acf(steps, nlags=LAGS), len(steps), "Autocorrelation of the differenced logarithms")
    stems(axes[1, 0], pacf(steps, nlags=LAGS), len(steps), "Partial autocorrelation")
    axes[1, 0].set_xlabel("lag, months")
    return drawn


def residuals(example: Example) -> Any:
    """Residuals by month and their correlations."""
    from statsmodels.tsa.stattools import acf

    drawn, axes = panels(2, 5)
    left = example.residuals
    axes[0, 0].axhline(0, color="black", linewidth=0.8)
    axes[0, 0].plot(left.index, left, color="C0", linewidth=1.2)
    axes[0, 0].set_title(f"Residuals of the logarithms, from {left.index[0]:%B %Y} on", loc="left", fontsize=11)
    stems(axes[1, 0], acf(left, nlags=LAGS), len(left), "Their autocorrelation")
    axes[1, 0].set_xlabel("lag, months")
    return drawn


def forecast(example: Example) -> Any:
    """The last years, and the forecast."""
    drawn, axes = panels(1, 4)
    axis, ahead, last = axes[0, 0], example.forecast(), example.thousands["1957":]
    axis.plot(last.index, last, color="C0", linewidth=1.2, marker="o", markersize=3, label="observed")
    axis.plot(ahead.index, ahead["median"], color="C1", linewidth=1.2, marker="o", markersize=3, label="forecast")
    axis.fill_between(
        ahead.index, ahead["low"], ahead["high"], color="C1", alpha=0.2, linewidth=0, label="95% interval"
    )
    axis.set_title("Thousands of passengers a month, and 1961 by ARIMA(2, 1, 2)", loc="left", fontsize=11)
    axis.legend(loc="upper left", frameon=False)
    return drawn


if __name__ == "__main__":
    main()
