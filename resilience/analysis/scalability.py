"""Universal Scalability Law: what more load, or more workers, still brings.

X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)): gamma is the throughput of one, alpha contention (what is done one
after the other), beta coherency (what each has to agree with each other). N. J. Gunther, Guerrilla Capacity Planning, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import InputError, RefusedError
from . import grid

MIN_POINTS = 6  # points beyond the three parameters are what errors are estimated from
FARTHEST = 2.0  # times the highest load observed: beyond, nothing is stated
_T95 = 0.975


@dataclass(frozen=True)
class UslFit:
    """`gamma` (throughput of one, its unit per unit of load), `alpha`, `beta` and their standard errors.

    `n` points up to the load `observed`. `peak_load`, `peak`: load of the highest throughput and that throughput, None
    where no peak can be identified; `limit`: what contention alone would allow (gamma / alpha), None where the 95 %
    interval of alpha touches 0.
    """

    gamma: float
    alpha: float
    beta: float
    gamma_se: float
    alpha_se: float
    beta_se: float
    n: int
    observed: float
    peak_load: float | None
    peak: float | None
    limit: float | None
    text: str

    def at(self, load: ArrayLike) -> np.ndarray:
        """Throughput at `load`; NaN beyond twice the highest load observed: no fit says what happens there."""
        wanted = np.asarray(load, dtype=float)
        return np.where(
            wanted <= FARTHEST * self.observed, _usl(wanted, self.gamma, self.alpha, self.beta), np.nan
        )


def fit(load: ArrayLike, throughput: ArrayLike) -> UslFit:
    """Least squares with all three parameters at least 0, from points of load and throughput; pairs with a gap are left out.

    No peak is identifiable where the 95 % interval of beta touches 0, where the peak would lie beyond twice the highest
    load, or where load never varied enough. Raises InputError with fewer than six usable points or one load only.
    """
    from scipy.optimize import least_squares
    from scipy.stats import t

    n, x = (np.asarray(v, dtype=float) for v in (load, throughput))
    if n.shape != x.shape or n.ndim != 1:
        raise InputError("Load and throughput differ in length.", remedy="Give one throughput for each load.")
    used = np.isfinite(n) & np.isfinite(x) & (n > 0) & (x >= 0)
    n, x = n[used], x[used]
    if len(n) < MIN_POINTS or len(np.unique(n)) < 4 or not x.any():
        raise InputError(
            f"{len(n)} usable points at {len(np.unique(n))} loads do not determine three parameters, nor do zeros.",
            remedy=f"Give at least {MIN_POINTS} points at four loads or more.",
        )
    scale = float(x.max()) or 1.0
    first = np.array([max(x / n) / scale or 1.0, 0.01, 1e-4])
    top = float(n.max())

    def residuals(p: np.ndarray) -> np.ndarray:
        return _usl(n, *p) - x / scale

    def slopes(p: np.ndarray) -> np.ndarray:
        bend = 1 + p[1] * (n - 1) + p[2] * n * (n - 1)
        common = -p[0] * n / bend**2
        return np.stack([n / bend, common * (n - 1), common * n * (n - 1)], axis=1)

    found = least_squares(
        residuals, first, slopes, bounds=(0, np.inf), method="dogbox", x_scale=[first[0], 1 / top, 1 / top**2],
        xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=2000,
    )  # fmt: skip
    gamma, alpha, beta = map(float, found.x)
    free = np.array([True, alpha > 1e-9 / top, beta > 1e-9 / top**2])
    alpha, beta = map(float, np.where(free[1:], [alpha, beta], 0.0))
    gamma_se, alpha_se, beta_se = _errors(slopes(found.x)[:, free], found.fun, free)
    wide = t.ppf(_T95, len(n) - 3)
    sure = free[2] and beta - wide * beta_se > 0
    peak_load = float(np.sqrt(max(1 - alpha, 0) / beta)) if sure else None
    if peak_load is not None and peak_load > FARTHEST * top:
        peak_load = None
    peak = None if peak_load is None else scale * float(_usl(np.array([peak_load]), gamma, alpha, beta)[0])
    limit = scale * gamma / alpha if free[1] and alpha - wide * alpha_se > 0 else None
    text = _text(len(n), top, peak_load, peak, limit, float(n.min()))
    return UslFit(
        scale * gamma, alpha, beta, scale * gamma_se, alpha_se, beta_se, len(n), top,
        peak_load, peak, limit, text,
    )  # fmt: skip


def by_scope(load: pd.DataFrame, throughput: pd.DataFrame) -> pd.DataFrame:
    """`fit` for each scope of two metrics, from what both say of the same moment.

    `load`, `throughput`: rows of `series` at one interval. One row per scope of either, those with a peak first: scope, n,
    load (the highest), gamma, alpha, beta, their errors (_se), peak_load, peak, limit (null where not identifiable),
    reason (why there is no fit). Raises InputError where they share no scope, RefusedError where intervals differ and as
    `grid.read`.
    """
    both = [grid.read(rows, str(rows["metric"].iloc[0])) for rows in (load, throughput)]
    if both[0].step_us != both[1].step_us:
        raise RefusedError("Load and throughput come at different intervals.", remedy="Choose one interval.")
    values = [{g.scope: pd.Series(g.value, g.edges) for g in found.grids} for found in both]
    scopes = sorted(values[0].keys() | values[1].keys())
    if not values[0].keys() & values[1].keys():
        raise InputError("Load and throughput share no scope.", remedy="Choose metrics with the same tags.")
    numbers = ("gamma", "alpha", "beta", "gamma_se", "alpha_se", "beta_se", "peak_load", "peak", "limit")
    rows: list[dict[str, object]] = []
    for scope in scopes:
        row: dict[str, object] = {"scope": scope, "n": 0, "load": np.nan, **dict.fromkeys(numbers, np.nan)}
        if not all(scope in of for of in values):
            rows.append({**row, "reason": "only one of the two was recorded"})
            continue
        n, x = values[0][scope].align(values[1][scope], join="inner")
        try:
            found = fit(n, x)
        except InputError as error:
            rows.append({**row, "reason": str(error)})
            continue
        told = {name: np.nan if (v := getattr(found, name)) is None else v for name in numbers}
        rows.append({**row, "n": found.n, "load": found.observed, **told, "reason": None})
    table = pd.DataFrame(rows).astype({"scope": "str", "reason": "str"})
    order = table.assign(fitted=table["reason"].isna()).sort_values(
        ["fitted", "peak_load", "scope"], ascending=[False, True, True], na_position="last"
    )
    return table.loc[order.index].reset_index(drop=True)


def _usl(n: np.ndarray, gamma: float, alpha: float, beta: float) -> np.ndarray:
    return gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1))


def _errors(slopes: np.ndarray, residuals: np.ndarray, free: np.ndarray) -> list[float]:
    """Standard errors from the linearised fit; NaN for what sits on its bound."""
    found = np.full(len(free), np.nan)
    variance = residuals @ residuals / max(len(residuals) - len(free), 1)
    cover = np.linalg.pinv(slopes.T @ slopes) * variance
    found[free] = np.sqrt(np.maximum(np.diag(cover), 0))
    return [float(v) for v in found]


def _text(
    n: int, top: float, peak_load: float | None, peak: float | None, limit: float | None, lowest: float
) -> str:
    says = f"From {n} points between loads of {lowest:.4g} and {top:.4g}: "
    if peak_load is None:
        says += "no peak identifiable"
        says += f"; by contention alone the limit would be {limit:.4g}." if limit is not None else "."
    else:
        says += f"throughput peaks at a load of {peak_load:.4g} with {peak:.4g}"
        says += "." if peak_load <= top else ", beyond what was observed."
    return says + f" Nothing is stated beyond a load of {FARTHEST * top:.4g}, twice the highest observed."
