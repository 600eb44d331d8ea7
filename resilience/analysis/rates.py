"""How often each failure class hits each service: rates of a thousand cells from a few hundred incidents.

Most cells have no incident, and the worst of the rest were partly unlucky: each is shrunk towards what its class, its
service and services like it make one expect. A Gamma-Poisson with an estimated prior (empirical Bayes; Robbins 1956; for
counts of events DuMouchel 1999, The American Statistician 53, 177-190):

    service s:  theta_s ~ Gamma(mean exp(x_s b)),  x: criticality, traffic, callers
    class c:    share pi_c, at services of a kind times Gamma(mean 1)
    cell:       n_cs ~ Poisson(T theta_s pi_c e_cs),  e_cs ~ mixture of two Gammas, mean 1
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, special

from .attribution import NOT_STATED, PRODUCTION

_SHAPES = np.geomspace(0.05, 50, 61)  # candidates for the shape of a Gamma, by likelihood
_RIDGE = 0.7  # prior standard deviation of a coefficient of a standardised fact about a service
_TURNS = 12  # of estimating services, classes and cells; further ones move no rate by a percent
_NUDGE = 1.05
_REFIT = (0, 4)  # turns at which it is estimated anew how far cells and kinds stray


def posterior(
    n: np.ndarray, likely: np.ndarray, years: float, units: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of the rate per year of each cell, both shaped (classes, units) as `n` is.

    `n`: expected incidents in `years` years, `likely`: those that are at least as likely as not there, whole; `units`: one
    row per service and environment with kind, criticality, traffic and callers (null where not known).

    Services, classes and cells are estimated in turn until they agree: a cell that fails far more often than its class
    and its service explain is set down to that cell, and raises what is expected of its service's other cells but little.
    """
    whole, total = n.sum(axis=0), n.sum()
    if total <= 0:
        prior = np.full(n.shape, 1.0 / (years * max(n.size, 1)))
        return _posterior(n, prior, years, Mixture(1.0, 1.0, 1.0, 1.0, 1.0))
    kinds = pd.factorize(units["kind"].where(units["kind"].notna(), "").astype(str))[0]
    member = np.eye(kinds.max() + 1)[kinds]
    like = _like(whole, units)
    k, alike = _shape(whole, like), _SHAPES[-1]
    theta = like * (k + whole) / (k + like)
    share = (n.sum(axis=1) + 0.5) / (total + 0.5 * len(n))
    shares = np.repeat(share[:, None], len(units), axis=1)
    stray = np.ones(n.shape)
    for turn in range(_TURNS):
        expected = np.maximum(theta * shares, 1e-9)
        if turn in _REFIT:
            # a cell's own incidents may not raise what one expects of it, or none would seem to stray
            weighed = shares * stray
            others = (k + whole - n) / (k / like + weighed.sum(axis=0) - weighed)
            mixture = _mixture(likely, np.maximum(others * shares * likely.sum() / total, 1e-9))
        mean, variance = _posterior(n, expected / years, years, mixture)
        stray = mean * years / expected
        theta = (k + whole) / (k / like + (shares * stray).sum(axis=0))
        exposed = theta * stray
        share = (n.sum(axis=1) + 0.5) / (exposed.sum(axis=1) + 0.5)
        share /= share.sum()
        of_kind, by_overall = n @ member, share[:, None] * (exposed @ member)
        if turn in _REFIT:
            alike = _shape(of_kind, by_overall)
        shares = share[:, None] * ((alike + of_kind) / (alike + by_overall))[:, kinds]
        shares /= shares.sum(axis=0)
    # how far a rate would follow, were its service's or its class's own rate another one, and what is not known of these
    nudged, _ = _posterior(n, expected / years * _NUDGE, years, mixture)
    follows = np.log(nudged / mean) / np.log(_NUDGE)
    unsure = 1 / (k + whole)[None, :] + 1 / (n.sum(axis=1) + 0.5)[:, None]
    return mean, variance + (follows * mean) ** 2 * unsure


def _like(count: np.ndarray, units: pd.DataFrame) -> np.ndarray:
    """What a Poisson regression on the facts makes one expect of each unit; the mean where there are no facts."""
    ordinary = ((units["environment"] == PRODUCTION) & (units["service"] != NOT_STATED)).to_numpy()
    columns = []
    for name, how in (("criticality", lambda v: v), ("traffic", np.log1p), ("callers", np.log1p)):
        values = how(units[name].to_numpy(dtype=float))
        if np.isfinite(values[ordinary]).sum() >= 8:
            columns.append(np.where(np.isfinite(values), values, np.nanmean(values[ordinary])))
    x = np.column_stack(columns) if columns else np.zeros((len(units), 0))
    x = x[:, np.ptp(x[ordinary], axis=0) > 0] if x.shape[1] and ordinary.any() else x[:, :0]
    mean = max(count[ordinary].mean(), 1e-3) if ordinary.any() else count.mean()
    expected = np.full(len(units), mean)
    if x.shape[1] and ordinary.sum() >= 12 and count[ordinary].sum() >= 12:
        x = (x - x[ordinary].mean(axis=0)) / x[ordinary].std(axis=0)
        ridge = 1 / (ordinary.sum() * _RIDGE**2 * mean)
        expected = np.exp(_design(x) @ _poisson(x[ordinary], count[ordinary] / mean, ridge)) * mean
    # what has no service, or is not production, is known by its own count alone
    expected[~ordinary] = np.maximum(count[~ordinary], 0.1)
    return np.maximum(expected, 1e-3)


def _poisson(x: np.ndarray, count: np.ndarray, ridge: float) -> np.ndarray:
    """Intercept and coefficients of a ridge Poisson regression; the intercept is not shrunk.

    (scikit-learn's is the same one; to import it takes longer than the whole ledger.)
    """
    design, weights = _design(x), np.r_[0.0, np.full(x.shape[1], ridge)]

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        log = design @ b
        with np.errstate(over="ignore"):  # a step too far, which is taken back
            mean = np.exp(log)
        gradient = design.T @ (mean - count) / len(count) + weights * b
        return float((mean - count * log).mean() + (weights * b**2).sum() / 2), gradient

    start = np.r_[np.log(count.mean()), np.zeros(x.shape[1])]
    found: np.ndarray = optimize.minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return found


def _design(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])


def _shape(n: np.ndarray, expected: np.ndarray) -> float:
    """Likeliest shape of the Gamma by which counts stray from what is expected of them."""
    n, expected = n.ravel(), expected.ravel()
    k = _SHAPES[:, None]
    seen = n > 1e-9
    some = (
        special.gammaln(k + n[seen])
        - special.gammaln(k)
        + n[seen] * np.log(expected[seen] / (k + expected[seen]))
    )
    likelihood = some.sum(axis=1) - (k * np.log1p(expected / k)).sum(axis=1)
    return float(_SHAPES[int(likelihood.argmax())])


class Mixture(NamedTuple):
    """How far cells stray from what class and service make one expect: most of them (`share`) by a Gamma of `usual_shape`

    and mean `usual_times` the expectation, the others by one of `odd_shape` and `odd_times`. The overall mean is 1.
    """

    share: float
    usual_shape: float
    usual_times: float
    odd_shape: float
    odd_times: float


def _mixture(n: np.ndarray, expected: np.ndarray) -> Mixture:
    """Likeliest mixture for counts of which `expected` was expected: most cells are ordinary, a few fail far more."""
    n, expected = n.ravel(), expected.ravel()
    # cells alike in count and (to a few percent) expectation are one term
    level = np.round(np.log(expected) * 16) / 16
    pairs, times = np.unique(np.column_stack([n, level]), axis=0, return_counts=True)
    count, mean = pairs[:, 0], np.exp(pairs[:, 1])

    def split(x: np.ndarray) -> Mixture:
        share = float(0.5 + 0.495 * special.expit(x[0]))
        odd = float(1 + np.exp(np.clip(x[1], -3, 3)))
        usual = max((1 - (1 - share) * odd) / share, 0.05)
        shapes = np.exp(np.clip(x[2:], -1.5, 3.0))
        return Mixture(share, float(shapes[0]), usual, float(shapes[1]), odd)

    def loss(x: np.ndarray) -> float:
        m = split(x)
        if (1 - m.share) * m.odd_times > 0.95:
            return 1e9
        likelihood = np.logaddexp(
            np.log(m.share) + _log_nb(count, m.usual_shape, m.usual_times * mean),
            np.log1p(-m.share) + _log_nb(count, m.odd_shape, m.odd_times * mean),
        )
        penalty = 0.5 * (((x - _START) / 2.0) ** 2).sum()  # keeps small histories near a sane shape
        return float(penalty - (times * likelihood).sum())

    found = optimize.minimize(
        loss, _START, method="Nelder-Mead", options={"maxiter": 600, "xatol": 1e-3, "fatol": 1e-3}
    )
    return split(found.x)


_START = np.array([1.5, 1.4, 0.5, 0.0])


def _posterior(n: np.ndarray, prior: np.ndarray, years: float, m: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of the rate of each cell."""
    parts = []
    for share, shape, times in (
        (m.share, m.usual_shape, m.usual_times),
        (1 - m.share, m.odd_shape, m.odd_times),
    ):
        if share > 0:
            rate = shape / (times * prior) + years
            weight = np.log(share) + _log_nb(n, shape, times * prior * years)
            parts.append((weight, (shape + n) / rate, (shape + n) / rate**2))
    weights = np.exp(np.stack([p[0] for p in parts]) - np.logaddexp.reduce([p[0] for p in parts]))
    means, variances = np.stack([p[1] for p in parts]), np.stack([p[2] for p in parts])
    mean = (weights * means).sum(axis=0)
    return mean, (weights * (variances + means**2)).sum(axis=0) - mean**2


def _log_nb(n: np.ndarray, shape: float, expected: np.ndarray) -> np.ndarray:
    """Log likelihood of counts, Gamma-Poisson with the given shape, without the term that has no parameter in it."""
    found: np.ndarray = (
        special.gammaln(shape + n) - special.gammaln(shape) + n * np.log(expected / (shape + expected))
        - shape * np.log1p(expected / shape)
    )  # fmt: skip
    return found
