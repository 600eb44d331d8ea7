"""Where the load of an ordinary week is heading: level, growth and season of its weeks, and how far off such forecasts were.

The logarithm of a week's level is a + b t + season(t) + e: two waves a year as season, and e a first-order autoregression.
Coefficients are those of Bayesian linear regression (Bishop, Pattern Recognition, 2006, 3.3); its priors keep a history of
less than two years from taking growth for season. The shape of the week is shrunk towards hour + weekday by as much as
noise asks for (Efron and Morris, 1972), so that the busiest of many slots is not merely the luckiest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .grid import MONDAY_US, WEEK_US, Grid, local
from .selection import row_quantiles

MIN_WEEKS = 26
AHEAD = 13  # weeks ahead that the backtest looks
YEAR_WEEKS = 365.25 / 7
_PRIOR = np.array(
    [100.0, 0.5, 0.2, 0.2, 0.07, 0.07]
)  # deviations of level, growth a year, and two waves, in logarithms
_ENOUGH = 0.5  # share of a week's values that must be there
_FAR = 4.0  # robust deviations beyond which a week is no ordinary one
_MOST_RHO = 0.95
_NEAR = 0.85  # share of a limit beyond which what was carried no longer says what was asked for
_Z80 = 1.2816


@dataclass(frozen=True)
class Trend:
    """Weeks of one scope. `week`: since 1970, local; `level`: of each, NaN where it was left out.

    `shape`, `shape_sd` (slots of a local week): share of the level expected there, and the deviation of its logarithm.
    `mean`, `cover`: coefficients in logarithms (level, growth per year, cosine and sine of one and of two waves a year) at
    the `origin`, the last week; `sigma`, `rho` of what remains; `n`: weeks used. `wider`: factor on deviations by which the
    backtest's errors exceeded what the model expects, 1 at least. `error_pct`, `naive_pct`: median absolute error of the
    level 13 weeks ahead, ours and of the same week a year before (else of the last week); NaN where it could not be tried.
    """

    week: np.ndarray
    level: np.ndarray
    shape: np.ndarray
    shape_sd: np.ndarray
    mean: np.ndarray
    cover: np.ndarray
    sigma: float
    rho: float
    origin: int
    n: int
    wider: float
    error_pct: float
    naive_pct: float
    n_tried: int

    @property
    def growth_pct(self) -> tuple[float, float, float]:
        """Growth per year: estimate, and ends of its 80 % interval."""
        spread = _Z80 * self.wider * float(np.sqrt(self.cover[1, 1]))
        mid, low, high = (float(100 * np.expm1(self.mean[1] + k)) for k in (0, -spread, spread))
        return mid, low, high

    def levels(self, week: np.ndarray, coefficients: np.ndarray | None = None) -> np.ndarray:
        """Expected level at each moment `week` (weeks since 1970 with fractions), per row of `coefficients`."""
        return np.exp(self.logs(week, self.mean if coefficients is None else coefficients))

    def logs(self, week: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Logarithms of `levels`."""
        return np.asarray(coefficients @ _design(np.asarray(week, dtype=float), self.origin).T)

    def draws(self, n: int, seed: int) -> np.ndarray:
        """`n` draws (n, 6) of the coefficients, as wide as the backtest says."""
        rng = np.random.default_rng(seed)
        root = np.linalg.cholesky(self.cover + 1e-12 * np.eye(len(_PRIOR)))
        degrees = max(self.n - len(_PRIOR), 4)
        scale = self.wider * np.sqrt(degrees / rng.chisquare(degrees, n))
        return self.mean + (rng.standard_normal((n, len(_PRIOR))) @ root.T) * scale[:, None]


def fit(grid: Grid, zone: str, limit: float = np.nan) -> Trend | None:
    """The trend of one scope; None with fewer than 26 ordinary weeks of levels above zero.

    `limit`: load per interval that it carries. Where an ordinary week asks for nearly as much, what was carried says
    no longer what was asked for, and such intervals do not count; a slot of which none is left keeps the share it had.
    """
    week, table = folded(grid, zone)
    found = _fit(week, table)
    if found is None or not limit > 0:
        return found
    asked = found.shape * found.levels(week + 0.5)[:, None]
    near = asked >= _NEAR * limit
    if not near.any():
        return found
    below = _fit(week, np.where(near, np.nan, table))
    if below is None:
        return found
    full = np.isnan(below.shape)
    if not full.any():
        return below
    scale = float(np.nanmedian(below.shape / found.shape))
    return replace(
        below,
        shape=np.where(full, scale * found.shape, below.shape),
        shape_sd=np.where(full, found.shape_sd, below.shape_sd),
    )


def folded(grid: Grid, zone: str) -> tuple[np.ndarray, np.ndarray]:
    """Weeks since 1970, and the values (weeks, slots of the local week): NaN where there is none, or it was left out.

    An hour that the clock repeats holds the mean of both.
    """
    per_week = WEEK_US // grid.step_us
    place = (local(grid.edges, zone) + MONDAY_US) // grid.step_us
    first = int(place.min()) // per_week
    at = place - first * per_week
    size = (int(at.max()) // per_week + 1) * per_week
    flat = np.full(size, np.nan)
    value = grid.kept
    if (np.diff(at) == 1).all():
        flat[at] = value
    else:
        there = ~np.isnan(value)
        n = np.bincount(at[there], minlength=size)
        total = np.bincount(at[there], value[there], minlength=size)
        np.divide(total, n, out=flat, where=n > 0)
    table = flat.reshape(-1, per_week)
    return first + np.arange(len(table)), table


def _fit(week: np.ndarray, table: np.ndarray) -> Trend | None:
    level, shape, shape_sd = _weekly(table)
    used = ~np.isnan(level)
    if used.sum() < MIN_WEEKS:
        return None
    y, last = np.log(level[used]), int(week[-1])
    mean, cover, sigma, rho, kept = _regress(week[used], y, last)
    level[np.flatnonzero(used)[~kept]] = np.nan
    errors, naive, deviations = _backtest(week[used][kept], y[kept])
    tried = len(deviations)
    spare = (
        AHEAD  # as many errors as expected count beside those seen: few of them say little, and they overlap
    )
    wider = float(np.sqrt((spare + np.sum(np.square(deviations))) / (spare + tried)))
    return Trend(
        week, level, shape, shape_sd, mean, cover, sigma, rho, last, int(kept.sum()), max(1.0, wider),
        float(100 * np.median(errors)) if tried else float("nan"),
        float(100 * np.median(naive)) if tried else float("nan"),
        tried,
    )  # fmt: skip


def _weekly(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level of each week, and of each slot the share of it and how uncertain that is.

    A level is what was measured over the shares of the slots measured, so that a gap at night does not raise it.
    """
    there = ~np.isnan(table)
    enough = there.mean(axis=1) >= _ENOUGH
    level = np.full(len(table), np.nan)
    level[enough] = np.nanmean(table[enough], axis=1)
    shape, sd = np.ones(table.shape[1]), np.full(table.shape[1], np.nan)
    for turn in range(3):
        level[~(level > 0)] = np.nan
        used = np.flatnonzero(~np.isnan(level))
        if not len(used):
            break
        if turn == 2:
            break
        share = table[used] / level[used, None]
        seen = ~np.isnan(share).all(axis=0)
        raw, error = np.full((2, table.shape[1]), np.nan)
        raw[seen], error[seen] = _middle(share[:, seen])
        shape, sd = _shrunk(raw, error, _of_days(share, raw))
        scale = np.nanmean(shape)
        if not scale > 0:
            break
        shape = shape / scale
        weight = np.where(there[used], shape, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            level[used] = np.nansum(table[used], axis=1) / np.nansum(weight, axis=1)
    return level, shape, sd


def _middle(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the middle half of each column, and its error relative to it."""
    low, high = row_quantiles(np.ascontiguousarray(share.T), np.array([0.25, 0.75]))[0].T
    inside = np.where((share >= low) & (share <= high), share, np.nan)
    middle, n = np.nanmean(inside, axis=0), (~np.isnan(share)).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # its error is 1.09 times that of a mean on a normal
        return middle, 1.09 * (high - low) / 1.349 / np.sqrt(n) / middle


def _of_days(share: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Relative error of each weekday's mean: the hours of one day stray together. One per slot."""
    if len(raw) % 7:
        return np.zeros(len(raw))
    with np.errstate(divide="ignore", invalid="ignore"):
        stray = (share / raw - 1).reshape(len(share), 7, -1)
    stray[~np.isfinite(stray)] = np.nan
    counted = (~np.isnan(stray)).sum(axis=2)
    of_day = np.where(counted > 0, np.nansum(stray, axis=2) / np.maximum(counted, 1), np.nan)
    n = (~np.isnan(of_day)).sum(axis=0)
    spread = np.array(
        [1.4826 * np.nanmedian(np.abs(d)) if k > 1 else np.nan for d, k in zip(of_day.T, n, strict=True)]
    )
    return np.repeat(np.nan_to_num(spread / np.sqrt(np.maximum(n, 1))), len(raw) // 7)


def _shrunk(raw: np.ndarray, error: np.ndarray, of_day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares shrunk towards hour + weekday on the logarithm, and their deviations there.

    How much: what differs from hour + weekday beyond its errors stays, and none is drawn by more than its own error (Efron
    and Morris, 1972), so that one hour unlike all others keeps what it has. Slots without a positive share stay as they are.
    """
    per_day = len(raw) // 7
    usable = (raw > 0) & np.isfinite(error)
    if len(raw) % 7 or usable.sum() < 4 * per_day:
        return raw, np.where(usable, error, np.nan)
    y = np.where(usable, np.log(np.where(usable, raw, 1.0)), np.nan).reshape(7, per_day)
    day, hour = np.zeros((7, 1)), np.zeros((1, per_day))
    for _ in range(10):
        hour = _mean(y - day, axis=0)
        day = _mean(y - hour, axis=1)
    plain = (day + hour).ravel()
    rest, noise = (y.ravel() - plain)[usable], error[usable] ** 2
    terms = per_day + 6
    spare = max(len(rest) - terms, 1)
    own = max(0.0, float((rest @ rest - noise.sum() * spare / len(rest)) / spare))
    keeps = own / (own + noise) if own else np.zeros(len(rest))
    shape, sd = raw.copy(), np.full(len(raw), np.nan)
    drawn = np.clip((1 - keeps) * rest, -error[usable], error[usable])
    shape[usable] = np.exp(plain[usable] + rest - drawn)
    sd[usable] = np.sqrt(noise * (1 / 7 + keeps) + of_day[usable] ** 2)
    return shape, sd


def _mean(y: np.ndarray, axis: int) -> np.ndarray:
    n = np.sum(~np.isnan(y), axis=axis, keepdims=True)
    return np.nansum(y, axis=axis, keepdims=True) / np.maximum(n, 1)


def _design(week: np.ndarray, origin: int) -> np.ndarray:
    t, angle = (week - origin) / YEAR_WEEKS, 2 * np.pi * week / YEAR_WEEKS
    waves = [f(k * angle) for k in (1, 2) for f in (np.cos, np.sin)]
    return np.stack([np.ones_like(t), t, *waves], axis=-1)


def _regress(
    week: np.ndarray, y: np.ndarray, origin: int
) -> tuple[np.ndarray, np.ndarray, float, float, np.ndarray]:
    """Coefficients and their covariance, sigma and rho of what remains, and which weeks were used.

    The second wave of the year stays where it is worth its two coefficients (Schwarz's criterion).
    """
    found = _with(week, y, origin, _PRIOR)
    mean, cover = found[0][4:], found[1][4:, 4:]
    if mean @ np.linalg.solve(cover, mean) >= 2 * np.log(len(y)):
        return found
    return _with(week, y, origin, np.r_[_PRIOR[:4], 1e-6, 1e-6])


def _with(
    week: np.ndarray, y: np.ndarray, origin: int, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, float, np.ndarray]:
    x = _design(week + 0.5, origin)
    kept = np.ones(len(y), dtype=bool)
    sigma, rho = max(float(np.std(y)), 1e-6), 0.0
    mean, cover = np.zeros(len(prior)), np.eye(len(prior))
    for _ in range(4):
        mean, cover = _posterior(x[kept], y[kept], np.diff(week[kept]), sigma, rho, prior)
        rest = y - x @ mean
        centre = np.median(rest[kept])
        spread = max(1.4826 * float(np.median(np.abs(rest[kept] - centre))), 1e-6)
        before, kept = (kept, rho, sigma), np.abs(rest - centre) <= _FAR * spread
        good = rest[kept]
        sigma = max(float(np.sqrt(good @ good / max(len(good) - len(prior), 1))), 1e-6)
        pair = np.diff(week[kept]) == 1
        first, second = good[:-1][pair], good[1:][pair]
        raw = float(first @ second / max(first @ first, 1e-12)) if len(first) > 8 else 0.0
        # biased low: Kendall, Note on bias in the estimation of autocorrelation, 1954
        rho = float(np.clip(raw + (1 + 4 * raw) / max(len(first), 1), 0.0, _MOST_RHO))
        settled = abs(rho - before[1]) < 0.01 and abs(sigma - before[2]) < 0.01 * sigma
        if settled and (kept == before[0]).all():
            break
    return mean, cover, sigma, rho, kept


def _posterior(
    x: np.ndarray, y: np.ndarray, gap: np.ndarray, sigma: float, rho: float, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Generalised least squares with the priors: each week less what the one before foretells of it."""
    decay = rho**gap
    scale = sigma * np.sqrt(np.maximum(1 - decay**2, 1e-6))
    white_x = np.vstack([x[:1] / sigma, (x[1:] - decay[:, None] * x[:-1]) / scale[:, None]])
    white_y = np.r_[y[0] / sigma, (y[1:] - decay * y[:-1]) / scale]
    cover = np.linalg.inv(white_x.T @ white_x + np.diag(1 / prior**2))
    return cover @ (white_x.T @ white_y), cover


def _backtest(week: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Absolute relative errors 13 weeks ahead, of ours and of the naive forecast, and errors in standard deviations.

    Origins every four weeks from a year of history on: earlier, season and growth cannot be told apart.
    """
    at = dict(zip(week.tolist(), y.tolist(), strict=True))
    errors, naive, deviations = [], [], []
    for origin in range(int(week[0]) + 52, int(week[-1]) - AHEAD + 1, 4):
        target = origin + AHEAD
        known = week <= origin
        if target not in at or known.sum() < MIN_WEEKS:
            continue
        mean, cover, sigma, _, _ = _regress(week[known], y[known], origin)
        x = _design(np.array([target + 0.5]), origin)[0]
        error = at[target] - x @ mean
        errors.append(abs(np.expm1(-error)))
        deviations.append(error / np.sqrt(sigma**2 + x @ cover @ x))
        before = at.get(target - 52, y[known][-1])
        naive.append(abs(np.expm1(before - at[target])))
    return np.array(errors), np.array(naive), np.array(deviations)
