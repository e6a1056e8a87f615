"""Time series: the recursions, the least squares, the fits, and the results that are known in advance."""

import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import lfilter
from torch import Tensor

from bench_core import Case, workloads
from bench_core.core.errors import CaseSkipped
from bench_core.workloads.data.series import ar1
from bench_core.workloads.kit import BuildContext, building
from bench_core.workloads.series import css
from bench_core.workloads.series.arma import ARIMA, ARMA, LENGTH, PHI, THETA, simulated
from bench_core.workloads.series.autoregression import least_squares
from bench_core.workloads.series.recursion import FORMULATIONS, Formulation, with_squared_roots
from docs.examples import airpassengers

pytestmark = pytest.mark.usefixtures("one_cache", "one_thread")

ORDERS = pytest.mark.parametrize("order", [ARMA, ARIMA], ids=["arma", "arima"])
EACH_FORMULATION = pytest.mark.parametrize("formulation", FORMULATIONS.values(), ids=list(FORMULATIONS))
ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e-?\d+)?")
TRUE = torch.tensor((*PHI, *THETA), dtype=torch.float64)[:, None]


@pytest.fixture(scope="module")
def example() -> airpassengers.Example:
    """The worked example, fitted once."""
    return airpassengers.read()


def double(array: object) -> Tensor:
    return torch.tensor(array, dtype=torch.float64)


def parameters(fit: css.Fit) -> Tensor:
    return torch.cat([fit.phi, fit.theta])


@EACH_FORMULATION
@pytest.mark.parametrize("times", [1, 2, 3, 37, 64])
@pytest.mark.parametrize("roots", [(0.9,), (0.7, -0.95), (0.5 + 0.8j, 0.5 - 0.8j), (0.99, 0.3 + 0.2j, 0.3 - 0.2j)])
def test_recursion_equals_the_filter_of_scipy(formulation: Formulation, times: int, roots: Sequence[complex]) -> None:
    coefficients = np.poly(roots).real
    inputs = np.random.default_rng(0).standard_normal((times, 3, 2))
    ours = formulation(double(coefficients[1:, None].repeat(2, 1)), times)(double(inputs))
    assert np.allclose(ours, lfilter([1.0], coefficients, inputs, axis=0), rtol=1e-9)


def test_polynomial_with_squared_roots() -> None:
    roots = np.array([0.9, -0.4, 0.2 + 0.5j, 0.2 - 0.5j])
    squared = with_squared_roots(double(np.poly(roots).real[1:, None]))
    assert np.allclose(squared[:, 0], np.poly(roots**2).real[1:])


def test_coefficients_far_below_rounding_become_zero() -> None:
    taps = torch.tensor([[1e-3, 0.5]])
    for _ in range(4):
        taps = with_squared_roots(taps)
    assert taps[0, 0] == 0
    assert taps[0, 1] == -(0.5**16)


@pytest.mark.parametrize("setting", ["scan", "loop"])
def test_first_generated_series_is_the_known_one(setting: str) -> None:
    step = workloads.build(Case("ar1_generate", batch_size=3, setting=setting))
    generated = step().double()
    assert generated.shape == (1000, 3)
    assert np.allclose(generated[:, 0], ar1(), atol=1e-7)
    assert generated[1, 0].item() == pytest.approx(0.049671, abs=5e-7)
    assert generated[999, 0].item() == pytest.approx(0.006109, abs=5e-7)
    assert generated[:, 0].var(correction=0).item() == pytest.approx(0.012662, abs=5e-7)
    assert generated.var(0) == pytest.approx(0.01 / (1 - 0.25), rel=0.2)
    assert step.flops == 3 * 2 * 999
    assert not torch.equal(step()[:, 1], generated[:, 1].float()), "the noise rotates"


def test_least_squares_finds_the_known_coefficients() -> None:
    estimates = workloads.build(Case("ar_ols_batched", batch_size=3))()
    assert estimates["phi"].shape == (1, 3)
    assert estimates["phi"][0, 0].item() == pytest.approx(0.49293, abs=1e-5)
    assert estimates["mse"][0].item() == pytest.approx(0.009594, abs=5e-7)
    assert estimates["phi"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_least_squares_equals_that_of_numpy(k: int) -> None:
    series = np.random.default_rng(0).standard_normal((4, 60)).cumsum(1)
    estimates = least_squares(double(series), k)
    for i, x in enumerate(series):
        first = max(5, k)
        columns = np.stack([x[first - lag : -lag] for lag in range(1, k + 1)] + [np.ones(60 - first)], axis=1)
        weights, (squares,), _, _ = np.linalg.lstsq(columns, x[first:])
        assert np.allclose(estimates["phi"][:, i], weights[:k])
        assert estimates["mse"][i].item() == pytest.approx(squares / (60 - first))


@ORDERS
def test_residuals_are_conditional_on_the_first_values(order: css.Order) -> None:
    series = simulated(np.random.default_rng(0), 3, order.d) + 7
    fit = css.fit(double(series), order)
    for i in range(3):
        w = np.diff(series[:, i]) if order.d else series[:, i] - series[:, i].mean()
        phi, theta = fit.phi[:, i].numpy(), fit.theta[:, i].numpy()
        driven = np.convolve(w, [1, *-phi])[order.p : len(w)]
        e = lfilter([1.0], [1, *theta], driven)
        assert np.allclose(fit.residuals[:, i], e)
        assert fit.sigma2[i].item() == pytest.approx((e**2).mean())


@pytest.mark.parametrize("count", [1, 4, 20])
def test_systems_are_solved_as_by_lu_factorization(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    rows = torch.randn(7, count, 3 * count, dtype=torch.float64, generator=generator)
    gram, right = rows @ rows.mT, rows[:, :, 0]
    solved = css.solve(gram, right)
    assert torch.allclose(solved, torch.linalg.solve(gram, right).T, rtol=1e-10, atol=1e-12)
    factors = torch.linalg.cholesky(gram)
    assert torch.allclose(solved, torch.cholesky_solve(right[:, :, None], factors)[:, :, 0].T, rtol=1e-10, atol=1e-12)


@EACH_FORMULATION
def test_slope_equals_that_of_autograd(formulation: Formulation) -> None:
    order, w = css.Order(2, 0, 3), double(np.random.default_rng(0).standard_normal((40, 2)))
    at = double([[0.5, 0.2], [-0.3, 0.1], [0.4, -0.6], [0.2, 0.3], [0.1, -0.2]]).requires_grad_()
    slope = css.slope(css.lags(w, 2, 2, first=0), at, order, formulation)
    rows = [torch.autograd.grad(e.sum(), at, retain_graph=True)[0] for e in slope.residuals]
    jacobian = -torch.stack(rows)
    assert torch.allclose(slope.products[:, :-1, :-1], torch.einsum("nis,njs->sij", jacobian, jacobian))
    assert torch.allclose(slope.products[:, :-1, -1], torch.einsum("nis,ns->si", jacobian, slope.residuals))


def test_polynomials_with_roots_outside_the_unit_circle_are_recognized() -> None:
    rng = np.random.default_rng(0)
    polynomials = rng.uniform(-2, 2, (3, 400))
    outside = [min(abs(np.roots([*c[::-1], 1]))) > 1 for c in polynomials.T]
    assert 20 < sum(outside) < 200
    assert css.has_roots_outside(double(polynomials)).tolist() == outside


@ORDERS
@pytest.mark.parametrize("formulation", ["scan", "loop"])
def test_known_parameters_are_found_in_fp32(order: css.Order, formulation: str) -> None:
    series = simulated(np.random.default_rng(1), 60, order.d)
    fit = css.fit(torch.tensor(series, dtype=torch.float32), order, FORMULATIONS[formulation])
    assert ((parameters(fit) - TRUE).abs() <= 3 * fit.errors).all(0).sum() >= 57
    assert fit.sigma2 == pytest.approx(1, abs=0.3)
    exact = css.fit(double(series), order)
    assert torch.linalg.norm(parameters(fit) - parameters(exact)) < 1e-5 * torch.linalg.norm(parameters(exact))


def test_standard_errors_are_as_wide_as_estimates_scatter() -> None:
    fit = css.fit(double(simulated(np.random.default_rng(2), 300, 0)), ARMA)
    scatter = ((parameters(fit) - TRUE) / fit.errors).std(1)
    assert scatter == pytest.approx(1, abs=0.25)  # exact only for endless series; for 500 values somewhat above 1


def test_estimates_do_not_depend_on_scale_or_level() -> None:
    series = double(simulated(np.random.default_rng(3), 4, 1))
    plain, moved = css.fit(series, ARIMA), css.fit(1e4 * series + 1e6, ARIMA)
    assert torch.allclose(parameters(plain), parameters(moved), rtol=1e-6)
    assert torch.allclose(plain.errors, moved.errors, rtol=1e-6)
    assert torch.allclose(1e8 * plain.sigma2, moved.sigma2, rtol=1e-6)


def test_more_iterations_change_estimates_little() -> None:
    series = double(simulated(np.random.default_rng(4), 200, 0))
    fit, longer = css.fit(series, ARMA), css.fit(series, ARMA, iterations=60)
    assert ((parameters(fit) - parameters(longer)).abs() / longer.errors).max() < 0.1
    assert (longer.sigma2 <= fit.sigma2 * (1 + 1e-12)).all()


@ORDERS
def test_log_likelihoods_agree_with_statsmodels(order: css.Order) -> None:
    from statsmodels.tsa.arima.model import ARIMA as Model  # noqa: N811

    series = simulated(np.random.default_rng(5), 6, order.d)
    fit = css.fit(torch.tensor(series, dtype=torch.float32), order)
    for i, x in enumerate(series.T):
        model = Model(x if order.d else x - x.mean(), order=order, trend="n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            best = model.fit().llf
        ours = model.loglike(np.array([*parameters(fit)[:, i], fit.sigma2[i]]))
        assert ours == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize(
    ("order", "length", "message"),
    [
        (css.Order(2, 0, 0), 100, "p and q must be whole numbers above 0"),
        (css.Order(2, 1, 2), 36, "36 values are too few to fit; it takes 37"),
    ],
)
def test_series_that_cannot_be_fitted_is_refused(order: css.Order, length: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        css.fit(torch.randn(length, 1), order)


def test_flops_of_a_fit_are_those_of_its_recursions() -> None:
    n = LENGTH - 2
    evaluation = n * (2 * 2 * (3 + 1) + 2 * 2 + 2 * 5 * 5)  # four recursions, residuals, products of five columns
    start = 2 * LENGTH * 13 + 2 * (LENGTH - 12) * 12 + 2 * n * 5 * 5
    for setting in ("scan", "loop"):
        step = workloads.build(Case("arma_css_fit", batch_size=2, setting=setting))
        assert step.flops == 2 * (start + 17 * evaluation)


def test_statsmodels_fits_the_same_series() -> None:
    step = workloads.build(Case("arima_statsmodels_fit", batch_size=2))
    ours = workloads.build(Case("arima_fit", batch_size=2))()
    theirs = step()
    assert torch.allclose(torch.cat([ours["phi"], ours["theta"]]).double(), theirs[:4], atol=0.1)
    assert torch.allclose(ours["sigma2"].double(), theirs[4], rtol=0.02)


def test_workload_of_statsmodels_is_skipped_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.tsa.arima.model", None)
    with pytest.raises(CaseSkipped, match="statsmodels is not installed: pip install statsmodels"):
        workloads.build(Case("arima_statsmodels_fit"))


def test_workload_of_statsmodels_is_refused_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench_core.hardware.device.absence", lambda kind: None)

    def reason(name: str) -> str | None:
        return building.why_unsupported(workloads.get(name), Case(name, device="cuda"))

    assert reason("arima_statsmodels_fit") == "arima_statsmodels_fit is not defined on cuda"
    assert reason("arima_fit") is None


def test_fit_in_few_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="arima_fit is not defined in bf16; it is in: fp32, default"):
        workloads.build(Case("arima_fit", dtype="bf16"))


def test_lstm_learns_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = 995 // 32
    monkeypatch.setattr("bench_core.workloads.kit.feeds.RESTORE_EVERY", 10**6)
    monkeypatch.setattr(BuildContext, "resident_batches", lambda ctx, _: epoch)
    step = workloads.build(Case("lstm_ar_train", batch_size=32))
    for _ in range(99 * epoch):
        step()
    assert torch.stack([step() for _ in range(epoch)]).mean() < 0.0100


def lstm_by_hand(cell: torch.nn.LSTM, series: Tensor) -> Tensor:
    """The last output of a layer over (batch, T, 1): Hochreiter & Schmidhuber with a forget gate, gate by gate."""
    hidden = state = series.new_zeros(len(series), cell.hidden_size)
    for value in series.unbind(1):
        gates = value @ cell.weight_ih_l0.T + cell.bias_ih_l0 + hidden @ cell.weight_hh_l0.T + cell.bias_hh_l0
        enter, forget, candidate, leave = gates.chunk(4, 1)
        state = forget.sigmoid() * state + enter.sigmoid() * candidate.tanh()
        hidden = leave.sigmoid() * state.tanh()
    return hidden


def exact_forecasts(setting: str) -> tuple[Tensor, torch.nn.Module, Tensor]:
    """Forecasts of three series in float64: the outputs of a call, its network, and its windows."""
    case, seen = Case("lstm_ar_infer", batch_size=3, setting=setting), []
    step = building.build_anywhere(workloads.get(case.workload), case, storage=torch.float64)
    step.modules["model"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    outputs = step()
    assert isinstance(outputs, Tensor)
    assert len(seen) == outputs.shape[1], "the network runs once for each forecast"
    assert not outputs.requires_grad
    return outputs, step.modules["model"], seen[0]


@pytest.mark.parametrize(("setting", "horizon"), [("next", 1), ("rolling20", 20)])
def test_forecasts_are_fed_back_into_the_window(setting: str, horizon: int) -> None:
    outputs, model, window = exact_forecasts(setting)
    assert outputs.shape == (3, horizon)
    for forecast in outputs.detach().unbind(1):
        expected = lstm_by_hand(model.recurrent, window) @ model.head.weight.T + model.head.bias
        assert (expected[:, 0] - forecast).abs().max() <= 1e-10
        window = torch.cat((window[:, 1:], expected.detach()[:, None]), 1)


def test_forecasts_that_are_not_fed_back_differ() -> None:
    outputs, model, window = exact_forecasts("rolling20")
    with torch.no_grad():
        unmoved = model(window).expand(3, 20)
    assert torch.equal(unmoved[:, 0], outputs[:, 0])
    assert torch.linalg.norm(unmoved - outputs) > 1e-3 * torch.linalg.norm(outputs)


def test_batch_larger_than_the_series_repeats_its_windows() -> None:
    step, inputs = workloads.build(Case("lstm_ar_train", batch_size=2048)), []
    step.modules["model"].register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    assert step().isfinite()
    assert inputs[0].shape == (2048, 5, 1)
    assert len(inputs[0].unique(dim=0)) == 995


def test_worked_example_quotes_the_output_of_its_code(example: airpassengers.Example) -> None:
    text = (ROOT / "docs" / "arima.md").read_text(encoding="utf-8")
    quoted = "".join(re.findall(r"```text\n(.*?)```", text, re.DOTALL)).splitlines()
    given = airpassengers.figures(example)
    assert [NUMBER.sub("", line).split() for line in quoted] == [NUMBER.sub("", line).split() for line in given]
    for ours, theirs in zip(quoted, given, strict=True):
        numbers = ([float(n.replace(",", "")) for n in NUMBER.findall(line)] for line in (ours, theirs))
        # Other versions of statsmodels stop elsewhere on a flat likelihood, in the third digit.
        assert next(numbers) == pytest.approx(next(numbers), rel=0.01, abs=0.002)


def test_worked_example_forecasts_as_statsmodels_with_its_parameters(example: airpassengers.Example) -> None:
    ahead = example.forecast()
    theirs = example.model().smooth(example.estimates).get_forecast(12)
    assert list(pd.DatetimeIndex(ahead.index).strftime("%Y-%m-%d")) == [
        f"1961-{month:02d}-01" for month in range(1, 13)
    ]
    # Apart only by what each assumes before the first month.
    assert np.allclose(np.log(ahead["median"]), theirs.predicted_mean, atol=0.02)
    assert np.allclose(np.log(ahead["high"] / ahead["low"]) / (2 * 1.96), theirs.se_mean, rtol=0.01)


def test_worked_example_leaves_out_the_values_that_are_not_residuals(example: airpassengers.Example) -> None:
    assert example.residuals.index[0] == np.datetime64("1949-04-01")
    assert example.residuals.index[-1] == np.datetime64("1960-12-01")
    assert example.residuals.abs().max() < 0.25 < example.default.resid[0]
