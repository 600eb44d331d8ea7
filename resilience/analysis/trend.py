"""Where the load of an ordinary week is heading: level, growth and season of its weeks, and how far off such forecasts were.

The logarithm of a week's level is a + b t + season(t) + e, with a yearly wave as season and e a first-order autoregression.
Coefficients are those of Bayesian linear regression: priors of half the level a year for growth and a tenth for the season
keep a history that is shorter than two years from taking one for the other (Bishop, Pattern Recognition, 2006, 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import MONDAY_US, WEEK_US, Grid, local

MIN_WEEKS = 26
YEAR_WEEKS = 365.25 / 7
_PRIOR = np.array([100.0, 0.5, 0.1, 0.1])  # standard deviations: level, growth a year, cosine, sine of the year
_ENOUGH = 0.5  # share of a week's values that must be there
_FAR = 4.0  # robust deviations beyond which a week is no ordinary one
_MOST_RHO = 0.95
_AHEAD = 13  # weeks ahead that the backtest looks


@dataclass(frozen=True)
class Trend:
    """Weeks of one scope. `week`: since 1970, local; `level`: of each, NaN where it was left out; `shape` (slots of a week):

    expected share of the level; `mean`, `cover` of the coefficients (level, growth per year, cosine, sine; logarithms);
    `sigma`, `rho` of what remains; `origin`: week that t counts from. `wider`: factor on standard deviations by which the
    backtest's errors exceeded what the model expects, 1 at least. `error_pct`, `naive_pct`: median absolute error of the
    level 13 weeks ahead, ours and of the same week a year before (else of the last week); NaN where it could not be tried.
    """

    week: np.ndarray
    level: np.ndarray
    shape: np.ndarray
    mean: np.ndarray
    cover: np.ndarray
    sigma: float
    rho: float
    origin: int
    n: int
    wider: float
    error_pct: float
    naive_pct: float

    @property
    def growth_pct(self) -> tuple[float, float, float]:
        """Growth per year: estimate, and ends of its 80 % interval."""
        spread = 1.2816 * self.wider * float(np.sqrt(self.cover[1, 1]))
        low, mid, high = (float(100 * np.expm1(self.mean[1] + k)) for k in (-spread, 0, spread))
        return mid, low, high

    def levels(self, week: np.ndarray, coefficients: np.ndarray | None = None) -> np.ndarray:
        """Expected level in each `week` (may have fractions), per row of `coefficients`."""
        beta = self.mean if coefficients is None else coefficients
        return np.exp(beta @ _design(np.asarray(week, dtype=float), self.origin).T)

    def draws(self, n: int, seed: int) -> np.ndarray:
        """`n` draws (n, 4) of the coefficients, as wide as the backtest says."""
        rng = np.random.default_rng(seed)
        root = np.linalg.cholesky(self.cover + 1e-12 * np.eye(4))
        degrees = max(self.n - 4, 4)
        scale = self.wider * np.sqrt(degrees / rng.chisquare(degrees, n))
        return self.mean + (rng.standard_normal((n, 4)) @ root.T) * scale[:, None]


def weekly(grid: Grid, zone: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weeks since 1970, level of each, and the share of it that each slot of the week has.

    A level is what was measured over the shares of the slots measured, so that a gap at night does not raise it.
    """
    per_week = WEEK_US // grid.step_us
    place = (local(grid.edges, zone) + MONDAY_US) // grid.step_us
    week, slot = place // per_week, place % per_week
    first = int(week.min())
    table = np.full((int(week.max()) - first + 1, per_week), np.nan)
    table[week - first, slot] = grid.kept
    there = ~np.isnan(table)
    enough = there.mean(axis=1) >= _ENOUGH
    level = np.full(len(table), np.nan)
    with np.errstate(invalid="ignore"):
        level[enough] = np.nanmean(table[enough], axis=1)
    level[~(level > 0)] = np.nan
    shape = np.ones(per_week)
    for _ in range(2):
        used = np.flatnonzero(~np.isnan(level))
        if not len(used):
            break
        share = table[used] / level[used, None]
        seen = ~np.isnan(share).all(axis=0)
        shape = np.full(per_week, np.nan)
        shape[seen] = np.nanmedian(share[:, seen], axis=0)
        shape /= np.nanmean(shape)
        weight = np.where(there[used], shape, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            level[used] = np.nansum(table[used], axis=1) / np.nansum(weight, axis=1)
        level[~(level > 0)] = np.nan
    return first + np.arange(len(table)), level, shape


def fit(grid: Grid, zone: str) -> Trend | None:
    """The trend of one scope; None with fewer than 26 ordinary weeks, or levels that are not above zero."""
    week, level, shape = weekly(grid, zone)
    used = ~np.isnan(level)
    if used.sum() < MIN_WEEKS:
        return None
    y = np.log(level[used])
    mean, cover, sigma, rho, kept = _regress(week[used], y, int(week[-1]))
    level = level.copy()
    level[np.flatnonzero(used)[~kept]] = np.nan
    errors, naive, deviations = _backtest(week[used][kept], y[kept])
    wider = max(1.0, float(np.sqrt(np.mean(np.square(deviations))))) if len(deviations) >= 4 else 1.25
    return Trend(
        week, level, shape, mean, cover, sigma, rho, int(week[-1]), int(kept.sum()), wider,
        float(100 * np.median(errors)) if len(errors) else float("nan"),
        float(100 * np.median(naive)) if len(naive) else float("nan"),
    )  # fmt: skip


def _design(week: np.ndarray, origin: int) -> np.ndarray:
    t = (week - origin) / YEAR_WEEKS
    angle = 2 * np.pi * week / YEAR_WEEKS
    return np.stack([np.ones_like(t), t, np.cos(angle), np.sin(angle)], axis=-1)


def _regress(
    week: np.ndarray, y: np.ndarray, origin: int
) -> tuple[np.ndarray, np.ndarray, float, float, np.ndarray]:
    """Coefficients and their covariance, sigma and rho of what remains, and which weeks were used."""
    x = _design(week.astype(float), origin)
    kept = np.ones(len(y), dtype=bool)
    sigma, rho = float(np.std(y)) or 1e-6, 0.0
    mean, cover = np.zeros(4), np.eye(4)
    for _ in range(4):
        gap = np.diff(week[kept])
        mean, cover = _posterior(x[kept], y[kept], gap, sigma, rho)
        rest = y - x @ mean
        centre = np.median(rest[kept])
        spread = max(1.4826 * float(np.median(np.abs(rest[kept] - centre))), 1e-6)
        kept = np.abs(rest - centre) <= _FAR * spread
        good = rest[kept]
        degrees = max(len(good) - 4, 1)
        sigma = max(float(np.sqrt(good @ good / degrees)), 1e-6)
        pair = np.diff(week[kept]) == 1
        first, second = good[:-1][pair], good[1:][pair]
        raw = float(first @ second / max(first @ first, 1e-12)) if len(first) > 8 else 0.0
        rho = float(np.clip(raw + (1 + 4 * raw) / max(len(first), 1), 0.0, _MOST_RHO))  # Kendall 1954: biased low
    return mean, cover, sigma, rho, kept


def _posterior(
    x: np.ndarray, y: np.ndarray, gap: np.ndarray, sigma: float, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Generalised least squares with the priors: each week less what the one before foretells of it."""
    decay = rho**gap
    scale = sigma * np.sqrt(np.maximum(1 - decay**2, 1e-6))
    white_x = np.vstack([x[:1] / sigma, (x[1:] - decay[:, None] * x[:-1]) / scale[:, None]])
    white_y = np.r_[y[0] / sigma, (y[1:] - decay * y[:-1]) / scale]
    cover = np.linalg.inv(white_x.T @ white_x + np.diag(1 / _PRIOR**2))
    return cover @ (white_x.T @ white_y), cover


def _backtest(week: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Absolute relative errors 13 weeks ahead, of ours and of the naive forecast, and errors in standard deviations.

    Origins every four weeks from a year of history on: earlier, season and growth cannot be told apart.
    """
    at = dict(zip(week.tolist(), y.tolist(), strict=True))
    errors, naive, deviations = [], [], []
    for origin in range(int(week[0]) + 52, int(week[-1]) - _AHEAD + 1, 4):
        target = origin + _AHEAD
        known = week <= origin
        if target not in at or known.sum() < MIN_WEEKS:
            continue
        mean, cover, sigma, _, _ = _regress(week[known], y[known], origin)
        x = _design(np.array([float(target)]), origin)[0]
        error = at[target] - x @ mean
        errors.append(abs(np.expm1(-error)))
        deviations.append(error / np.sqrt(sigma**2 + x @ cover @ x))
        before = at.get(target - 52, y[known][-1])
        naive.append(abs(np.expm1(before - at[target])))
    return np.array(errors), np.array(naive), np.array(deviations)
