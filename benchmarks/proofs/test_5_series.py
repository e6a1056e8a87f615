"""Time series: fits recover known parameters, agree with statsmodels and are faster; networks learn what they can."""

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench_core import Case, workloads
from bench_core.execution.runner import threads
from bench_core.hardware.machine import usable_cpus
from bench_core.workloads.data.series import ar1
from bench_core.workloads.kit import context, feeds
from bench_core.workloads.series import css
from bench_core.workloads.series.arma import ARIMA, ARMA, PHI, THETA, simulated
from bench_core.workloads.series.autoregression import least_squares
from bench_core.workloads.series.recursion import FORMULATIONS

Floats = NDArray[np.float64]
PrintLine = Callable[[str], None]

TRUE = torch.tensor((*PHI, *THETA), dtype=torch.float64)[:, None]
ORDERS = pytest.mark.parametrize("order", [ARMA, ARIMA], ids=["ARMA(2,2)", "ARIMA(2,1,2)"])


def single(series: Floats) -> torch.Tensor:
    """The series as the workloads have them: in fp32."""
    return torch.tensor(series, dtype=torch.float32)


def by_statsmodels(series: Floats, order: css.Order) -> Any:
    """statsmodels' model of a series, to which ours corresponds: demeaned if not differenced, without a constant."""
    from statsmodels.tsa.arima.model import ARIMA as Model  # noqa: N811

    return Model(series if order.d else series - series.mean(), order=order, trend="n")


def optimum(model: Any) -> Any:
    """statsmodels' own fit by its defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit()


def name_of(order: css.Order) -> str:
    return f"ARIMA({order.p}, {order.d}, {order.q})" if order.d else f"ARMA({order.p}, {order.q})"


@ORDERS
def test_known_parameters_are_recovered(order: css.Order, print_line: PrintLine) -> None:
    fit = css.fit(single(simulated(np.random.default_rng(1), 500, order.d)), order)
    close = (torch.cat([fit.phi, fit.theta]) - TRUE).abs() <= 3 * fit.errors
    together = close.all(0).double().mean().item()
    each = ", ".join(f"{share:.1%}" for share in close.double().mean(1))
    print_line(
        f"known parameters, {name_of(order)}: all four within three standard errors of the truth in {together:.1%} of "
        f"500 simulated series; phi1, phi2, theta1, theta2 alone in {each}"
    )
    assert together >= 0.95


@ORDERS
def test_log_likelihoods_agree_with_statsmodels(order: css.Order, print_line: PrintLine) -> None:
    series = simulated(np.random.default_rng(2), 50, order.d)
    fit = css.fit(single(series), order)
    estimates = torch.cat([fit.phi, fit.theta, fit.sigma2[None]]).double().numpy()
    apart = []
    for i in range(50):
        model = by_statsmodels(series[:, i], order)
        ours, best = model.loglike(estimates[:, i]), optimum(model).llf
        apart.append((best - ours) / abs(best))
        if abs(apart[-1]) > 0.01:
            print_line(
                f"log-likelihood, {name_of(order)}, series {i}: ours {ours:.2f}, statsmodels' optimum {best:.2f}"
            )
    within = np.mean(np.abs(apart) <= 0.01)
    print_line(
        f"log-likelihood at our estimates, {name_of(order)}: within 1% of statsmodels' optimum for {within:.0%} of 50 "
        f"series; below it by {np.median(apart):.1e} in the median, {max(apart):.1e} at most, {min(apart):.1e} at least"
    )
    assert within >= 0.9


@ORDERS
@pytest.mark.parametrize("formulation", ["scan", "loop"])
def test_faster_than_statsmodels_in_a_loop(order: css.Order, formulation: str, print_line: PrintLine) -> None:
    many, rounds, few = 1000, 6, 5
    series = simulated(np.random.default_rng(3), many, order.d)
    batch, how = single(series), FORMULATIONS[formulation]
    with threads(usable_cpus()), torch.inference_mode():
        css.fit(batch, order, how)
        optimum(by_statsmodels(series[:, -1], order))
        ours, theirs = [], []
        for r in range(rounds):
            begin = time.perf_counter()
            css.fit(batch, order, how)
            ours.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            for column in series[:, r * few : (r + 1) * few].T:
                optimum(by_statsmodels(column, order))
            theirs.append(time.perf_counter() - begin)
    scaled = sum(theirs) * many / (rounds * few)
    ratio = scaled / statistics.median(ours)
    print_line(
        f"{many} fits of {name_of(order)}, {formulation}, {usable_cpus()} cores: {statistics.median(ours):.2f} s; "
        f"statsmodels in a loop {scaled:.0f} s (scaled from {rounds * few} series in turn with ours): {ratio:.0f} times"
    )
    assert ratio >= 20


@pytest.mark.parametrize("name", ["lstm_ar_train", "rnn_ar_train", "gru_ar_train"])
def test_networks_learn_as_much_as_least_squares(
    name: str, print_line: PrintLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = 995 // 32
    monkeypatch.setattr(feeds, "RESTORE_EVERY", 10**6)
    monkeypatch.setattr(context.BuildContext, "resident_batches", lambda *_: epoch)
    step = workloads.build(Case(name, batch_size=32))
    with threads(1):  # a step is too small to share
        for _ in range(99 * epoch):
            step()
        error = statistics.fmean(float(loss) for _ in range(epoch) if isinstance(loss := step(), torch.Tensor))
    bound = least_squares(torch.tensor(ar1())[None], 1)["mse"].item()
    print_line(
        f"{name} after 100 epochs: mean squared error {error:.5f}; least squares on the same targets {bound:.6f}"
    )
    assert error < 0.0100
