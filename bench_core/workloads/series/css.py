"""ARIMA models of many series at once, fitted by conditional sum of squares (CSS): pure functions of tensors.

An ARIMA(p, d, q) model of a series states, with w for the series differenced d times,

    w[t] = phi1 w[t-1] + ... + phip w[t-p] + e[t] + theta1 e[t-1] + ... + thetaq e[t-q].

CSS sets e = 0 before t = p and minimizes the sum of the squares of e[p], e[p+1], ... (Box, Jenkins, Reinsel & Ljung,
Time Series Analysis, 5th ed., section 7.1). Without differencing (d = 0) the mean of the series is subtracted first;
with differencing there is no constant. Start values are those of Hannan & Rissanen (Biometrika 69(1), 1982); then come
Gauss-Newton steps with Levenberg-Marquardt damping, separate for each series. All series get the same work, and no
step waits for a value to reach the host.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from bench_core.workloads.series.recursion import Formulation, scan

ITERATIONS = 16
"""Steps of a fit; the number is fixed, so that all devices do the same work."""
LONG = 12
"""The order of the autoregression whose residuals approximate e for the start values."""
EDGE = 0.9995
"""Upper limit of the partial autocorrelations' absolute values; keeps the model stationary and invertible."""


class Order(NamedTuple):
    """p autoregressive lags, d differences, q moving-average lags."""

    p: int
    d: int
    q: int


@dataclass(frozen=True)
class Fit:
    """Estimates for each series: ``phi`` (p, series), ``theta`` (q, series), ``sigma2`` (series,), standard ``errors``
    of phi and theta (p + q, series), and the ``residuals`` (T - d - p, series), the first of which is that of w[p].
    """

    phi: Tensor
    theta: Tensor
    sigma2: Tensor
    errors: Tensor
    residuals: Tensor


class Slope(NamedTuple):
    """For given parameters: the residuals e (n, series), and all products (series, k + 1, k + 1) of the k columns of
    J = -de/d(phi, theta) and of e, which comes last.
    """

    residuals: Tensor
    products: Tensor


def fit(series: Tensor, order: Order, formulation: Formulation = scan, iterations: int = ITERATIONS) -> Fit:
    """Fit every column of (T, series); the standard errors come from sigma^2 (J'J)^-1.

    Raises ``ValueError`` for an order without both kinds of lags, and for a series too short for its start values.
    """
    if min(order.p, order.q) < 1 or order.d < 0:
        raise ValueError(f"{order}: p and q must be whole numbers above 0, and d one of at least 0")
    if len(series) < 3 * LONG + order.d:
        raise ValueError(f"{len(series)} values are too few to fit; it takes {3 * LONG + order.d}")
    w = series.diff(n=order.d, dim=0) if order.d else series - series.mean(0)
    scale = w.square().mean(0).sqrt()
    w = w / scale
    lagged = lags(w, order.p, order.p, first=0)
    best = start(w, order)
    at = slope(lagged, best, order, formulation)
    damping = torch.full_like(scale, 1e-2)
    # A sum of squares is exact only to a few units in the last place; the steps themselves are more exact.
    slack = 1 + 32 * torch.finfo(w.dtype).eps
    for _ in range(iterations):
        tried = best + regressed(at.products, damping)
        there = slope(lagged, tried, order, formulation)
        better = admissible(tried, order) & (there.products[:, -1, -1] <= at.products[:, -1, -1] * slack)
        best = torch.where(better, tried, best)
        at = Slope(
            torch.where(better, there.residuals, at.residuals),
            torch.where(better[:, None, None], there.products, at.products),
        )
        damping = torch.where(better, damping / 10, damping * 10).clamp(1e-7, 1e7)
    sigma2 = at.products[:, -1, -1] / len(at.residuals)
    spread = torch.linalg.inv_ex(at.products[:, :-1, :-1]).inverse.diagonal(dim1=1, dim2=2).T
    return Fit(
        phi=best[: order.p],
        theta=best[order.p :],
        sigma2=sigma2 * scale.square(),
        errors=(sigma2 * spread).sqrt(),
        residuals=at.residuals * scale,
    )


def slope(lagged: Tensor, parameters: Tensor, order: Order, formulation: Formulation) -> Slope:
    """Residuals and their derivatives at parameters (p + q, series), from w and its p lags (n, 1 + p, series).

    The derivatives follow the same recursion as the residuals. Its input is w[t-i] for phi_i and e[t-j] for theta_j.
    """
    phi, theta = parameters[: order.p], parameters[order.p :]
    unravel = formulation(theta, len(lagged))
    filtered = unravel(lagged)
    residuals = filtered[:, 0] - (phi * filtered[:, 1:]).sum(1)
    by_theta = unravel(residuals)
    before = torch.cat([torch.zeros_like(by_theta[: order.q]), by_theta])
    columns = [filtered[:, 1:], lags(before, order.q, order.q), residuals[:, None]]
    return Slope(residuals, products(torch.cat(columns, dim=1)))


def start(w: Tensor, order: Order) -> Tensor:
    """Start values (p + q, series): regresses w on its lags and on those of a long autoregression's residuals."""
    moments = torch.stack([(w[k:] * w[: len(w) - k]).sum(0) for k in range(LONG + 1)], dim=1)
    times = torch.arange(LONG, device=w.device)
    long = solve(moments[:, (times[:, None] - times).abs()], moments[:, 1:])
    e = w[LONG:] - (long * lags(w, LONG, LONG)).sum(1)
    w, most = w[LONG:], max(order.p, order.q)
    columns = torch.cat([lags(w, order.p, most), lags(e, order.q, most), w[most:, None]], dim=1)
    values = regressed(products(columns), torch.zeros_like(w[0]))
    powers = (torch.cat([times[: order.p], times[: order.q]])[:, None] + 1).to(w)
    for _ in range(12):  # roots inside the unit circle or too close to it are moved outward
        values = torch.where(admissible(values, order), values, values * 0.85**powers)
    return torch.where(admissible(values, order), values, 0)


def lags(x: Tensor, count: int, begin: int, first: int = 1) -> Tensor:
    """x (T, series) at lags ``first`` to ``count``, for the times from ``begin`` on: (T - begin, lags, series)."""
    return torch.stack([x[begin - i : len(x) - i] for i in range(first, count + 1)], dim=1)


def products(columns: Tensor) -> Tensor:
    """All products of the columns (n, k, series), summed over n: (series, k, k)."""
    rows = columns.permute(2, 1, 0).contiguous()
    return rows @ rows.mT


def regressed(products: Tensor, damping: Tensor) -> Tensor:
    """Coefficients (k, series) of the last column's regression on the others; ``damping`` increases the diagonal."""
    gram, right = products[:, :-1, :-1], products[:, :-1, -1]
    return solve(gram + torch.diag_embed(gram.diagonal(dim1=1, dim2=2) * damping[:, None]), right)


def solve(gram: Tensor, right: Tensor) -> Tensor:
    """x (k, series) of G x = r for positive definite G (series, k, k) and r (series, k), without synchronizing."""
    lower = torch.linalg.cholesky_ex(gram).L
    # torch.cholesky_solve would allocate, wait and free on a GPU in each call: torch 2.11 passes it to MAGMA there.
    half = torch.linalg.solve_triangular(lower, right[:, :, None], upper=False)
    x: Tensor = torch.linalg.solve_triangular(lower.mT, half, upper=True)[:, :, 0].T
    return x


def admissible(parameters: Tensor, order: Order) -> Tensor:
    """Whether the model with these parameters (p + q, series) is stationary and invertible, for each series."""
    phi, theta = parameters[: order.p], parameters[order.p :]
    return has_roots_outside(-phi) & has_roots_outside(theta)


def has_roots_outside(coefficients: Tensor) -> Tensor:
    """Whether 1 + c1 z + c2 z^2 + ... has all its roots outside the unit circle, for coefficients (lags, series).

    That is so if every partial autocorrelation is below 1 in absolute value (Monahan, Biometrika 71(2), 1984); here the
    limit is ``EDGE``.
    """
    outside = torch.ones_like(coefficients[:1].sum(0), dtype=torch.bool)
    while len(coefficients):
        last, rest = coefficients[-1], coefficients[:-1]
        outside = outside & (last.abs() < EDGE)
        coefficients = (rest - last * rest.flip(0)) / (1 - last.square())
    return outside


def flops(order: Order, times: int) -> int:
    """FLOPs of a fit of one series: recursions as in ``loop``, residuals, products; small systems are not counted."""
    n = times - order.d - order.p
    together = 2 * n * (order.p + order.q + 1) ** 2
    evaluation = 2 * n * (order.q * (order.p + 2) + order.p) + together
    long = 2 * (times - order.d) * (LONG + 1) + 2 * (times - order.d - LONG) * LONG
    return long + together + (ITERATIONS + 1) * evaluation
