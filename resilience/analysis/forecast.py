"""The weeks ahead, hour by hour, with intervals that were right as often as they say when it was tried on the past.

A week is its level times its shape; both are smoothed from week to week (Holt and Winters' multiplicative season, with
the whole week as one step). How quickly is chosen among nine pairs by what had erred least until then. Intervals are
quantiles of the errors made so far at the same distance, in the slot's own size, widened or narrowed as they were missed or
not (Gibbs and Candes, Adaptive conformal inference under distribution shift, 2021).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from math import gcd

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from .grid import MONDAY_US, WEEK_US, Grid, Series, Spans, local, read
from .movement import how_many
from .trend import folded

MIN_WEEKS = 12
MOST_WEEKS = 8
LEVEL, SHAPE = (0.3, 0.6, 0.9), (0.1, 0.25, 0.5)  # shares by which a week moves level and shape
_TYPICAL = 0.1  # share by which a week moves the size of a slot's errors
_LEARN = 0.02  # share of a week's surplus of misses that moves the next interval
_OUTSIDE = np.array([0.20, 0.05])  # of the 80 % and the 95 % interval
_ENOUGH = 0.5  # share of a week's values that must be there
_FEW = 6  # weeks of errors before an interval is given
_ERRORS = 2000  # more of them move a quantile by less than it is worth
_TRIED = 26  # weeks of history before an origin counts in the backtest
_BOUNDS = ("low95", "low80", "high80", "high95")


@dataclass(frozen=True)
class Forecast:
    """`table`: one row per scope and interval ahead: scope, at (UTC), weeks_ahead, expected, low80, high80, low95, high95 in

    the unit of the metric (bounds null where nothing says how far it strays). `backtest`: one row per scope and distance:
    scope, weeks_ahead, n_weeks and n (weeks and values forecast), error and naive_error (mean absolute, ours and of the
    last week known), gain_pct (by how much less it errs), covered80, covered95 (percent of values within), reason (why
    there is none).
    """

    table: pd.DataFrame
    backtest: pd.DataFrame
    text: str


def forecast(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    scope: str | Iterable[str] | None = None,
    exclude: Spans | None = None,
    weeks: int = 4,
    executor: Executor | None = None,
) -> Forecast:
    """Each interval of the `weeks` after the last value of `metric`, per scope, in local weeks of `zone`.

    `exclude`: what was no ordinary week (`calendar.unlike`); what is expected is ordinary too. In the backtest every week
    from the 27th on is forecast from what was known `weeks_ahead` before it and no more, choice and intervals included.
    Scopes with fewer than twelve weeks are listed with a reason. Raises InputError for more than eight weeks: beyond,
    `exhaustion` draws levels instead; RefusedError where intervals do not divide a week.
    """
    if not 1 <= weeks <= MOST_WEEKS:
        raise InputError(
            f"{weeks} weeks cannot be forecast.",
            remedy=f"Give 1 to {MOST_WEEKS}; further out see `resilience headroom`.",
        )
    found = read(series, metric, scope, exclude)
    if WEEK_US % found.step_us:
        raise RefusedError(
            f"{metric} comes at {found.step_us / 1e6:g} s, which does not divide a week.",
            remedy="Give it at an interval that does.",
        )
    apply = map if executor is None else executor.map
    both = list(apply(partial(one, zone=zone, weeks=weeks), found.grids))
    table = pd.concat([rows for rows, _ in both], ignore_index=True)
    backtest = pd.concat([tried for _, tried in both], ignore_index=True)
    backtest = backtest.astype({"scope": "str", "reason": "str"})
    return Forecast(
        table.astype({"scope": "str"}), backtest, _text(found, table, backtest, weeks) + found.aside
    )


def peaks(found: Forecast) -> pd.DataFrame:
    """One row per scope: the highest interval expected ahead with its bounds, and the backtest over all distances."""
    known = found.table.dropna(subset="expected")
    top = known.loc[
        known.groupby("scope")["expected"].idxmax(),
        ["scope", "at", "expected", "low80", "high80", "low95", "high95"],
    ]
    tried = found.backtest.assign(
        **{c: found.backtest[c] * found.backtest["n"] for c in ("gain_pct", "covered80", "covered95")}
    )
    sums = tried.groupby("scope")[["n", "gain_pct", "covered80", "covered95"]].sum(min_count=1)
    means = sums[["gain_pct", "covered80", "covered95"]].div(sums["n"].where(sums["n"] > 0), axis=0)
    reason = found.backtest.groupby("scope")["reason"].first()
    return (
        means.assign(n=sums["n"], reason=reason)
        .reset_index()
        .merge(top, on="scope", how="left")[
            [
                "scope",
                "at",
                "expected",
                "low80",
                "high80",
                "low95",
                "high95",
                "n",
                "gain_pct",
                "covered80",
                "covered95",
                "reason",
            ]
        ]
    )


def one(grid: Grid, zone: str, weeks: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `table` and of `backtest` of one scope."""
    first_week, table = folded(grid, zone)
    there = ~np.isnan(table)
    while len(table) and there[-1].mean() < _ENOUGH:  # the rest of a week that has just begun is a week ahead
        table, there = table[:-1], there[:-1]
    usable = int((there.mean(axis=1) >= _ENOUGH).sum())
    if usable < MIN_WEEKS:
        reason = f"{usable} weeks with values; {MIN_WEEKS} are needed"
        return _rows(grid.scope), _tried(grid.scope, [(k, None, reason) for k in range(1, weeks + 1)])
    levels, shapes = _smoothed(table, there)
    last = int(first_week[0]) + len(table) - 1
    ends = grid.end_us + grid.step_us
    ahead = ends + grid.step_us * np.arange(weeks * WEEK_US // grid.step_us)
    place = (local(ahead, zone) + MONDAY_US) // grid.step_us
    week, slot = place // table.shape[1], place % table.shape[1]
    distance = np.clip(week - last, 1, weeks)
    values = np.full((5, len(ahead)), np.nan)
    tried: list[tuple[int, np.ndarray | None, str | None]] = []
    for k in range(1, weeks + 1):
        middle, bounds, scores = _at_distance(table, levels, shapes, k)
        row = np.clip(week - int(first_week[0]), 0, len(middle) - 1)
        chosen = distance == k
        values[0, chosen] = middle[row[chosen], slot[chosen]]
        values[1:, chosen] = bounds[:, row[chosen], slot[chosen]]
        still = np.allclose(np.where(there, middle[: len(table)], np.nan)[k:], table[k:], equal_nan=True)
        why = (
            "it never strayed: nothing says how far it may"
            if still
            else "too few weeks to try it on the past"
        )
        tried.append((k, scores, None if len(scores) else why))
    if np.nanmin(table) >= 0:
        values = np.where(values < 0, 0.0, values)
    return _rows(grid.scope, ahead, distance, values), _tried(grid.scope, tried)


def _smoothed(table: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Level (weeks, pairs) and shape (weeks, pairs, slots) as known at the end of each week."""
    pairs = [(a, b) for a in LEVEL for b in SHAPE]
    by_level, by_shape = (np.array(v)[:, None] for v in zip(*pairs, strict=True))
    levels = np.full((len(table), len(pairs)), np.nan)
    shapes = np.full((len(table), len(pairs), table.shape[1]), np.nan)
    level, shape = np.full((len(pairs), 1), np.nan), np.ones((len(pairs), table.shape[1]))
    begun = False
    for w, ok in enumerate(there):
        if ok.mean() >= _ENOUGH:
            y = np.where(ok, table[w], 0.0)
            weight = (shape * ok).sum(axis=1, keepdims=True)
            seen = y.sum() / np.where(weight > 0, weight, np.nan)
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(ok & (seen != 0), y / seen, shape)
            level = level + by_level * (seen - level) if begun else seen
            shape = shape + by_shape * (share - shape) if begun else share
            shape, begun = shape / shape.mean(axis=1, keepdims=True), True
        levels[w], shapes[w] = level[:, 0], shape
    return levels, shapes


def _at_distance(
    table: np.ndarray, levels: np.ndarray, shapes: np.ndarray, ahead: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecasts (weeks + ahead, slots) made `ahead` weeks before, bounds (4, same), and per week tried what `_tried` sums:

    values, absolute errors of ours and of the naive one, values within each interval. Only what was known then is used.
    """
    n, slots = table.shape
    every = np.full((n + ahead, *shapes.shape[1:]), np.nan)
    every[ahead:] = levels[:, :, None] * shapes
    with np.errstate(invalid="ignore"):
        missed = np.abs(every[:n] - table[:, None, :])
    so_far = np.nancumsum(np.nansum(missed, axis=2), axis=0)
    best = np.full(n + ahead, shapes.shape[1] // 2)
    best[ahead:] = np.argmin(so_far, axis=1)
    rows = np.arange(n + ahead)
    middle = every[rows, best]
    level = np.abs(np.r_[np.full(ahead, np.nan), levels[rows[ahead:] - ahead, best[ahead:]]])
    size, usual = np.full((n + ahead, slots), np.nan), np.full(slots, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        strayed = np.abs(table - middle[:n]) / level[:n, None]
        for w, now in enumerate(strayed):
            new = np.where(np.isnan(usual), now, usual + _TYPICAL * (now - usual))
            usual = np.where(np.isfinite(new), new, usual)
            size[w + ahead] = usual * level[w + ahead]
        z = (table - middle[:n]) / np.where(size[:n] > 0, size[:n], np.nan)
    return middle, *_intervals(table, middle, size, z, ahead)


def _intervals(
    table: np.ndarray, middle: np.ndarray, size: np.ndarray, z: np.ndarray, ahead: int
) -> tuple[np.ndarray, np.ndarray]:
    n, slots = table.shape
    bounds = np.full((4, n + ahead, slots), np.nan)
    outside, surplus = _OUTSIDE.copy(), np.full((n, 2), np.nan)
    weeks = np.cumsum((~np.isnan(z)).mean(axis=1) >= _ENOUGH)
    scores = []
    for w in range(ahead, n + ahead):
        known = w - ahead
        if not np.isnan(surplus[known, 0]):
            outside = np.clip(outside - _LEARN * surplus[known], [0.02, 0.002], [0.4, 0.2])
        errors = z[: known + 1].ravel()[:: _stride((known + 1) * slots, slots)]
        errors = errors[~np.isnan(errors)]
        if weeks[known] >= _FEW:
            low, high = outside / 2, 1 - outside / 2
            at = np.quantile(errors, [low[1], low[0], high[0], high[1]])
            bounds[:, w] = middle[w] + at[:, None] * size[w]
        if w >= n:
            continue
        usable = ~np.isnan(table[w]) & ~np.isnan(bounds[0, w])
        if usable.mean() < _ENOUGH:
            continue
        y, edge = table[w, usable], bounds[:, w, usable]
        within = np.array([((y >= edge[1]) & (y <= edge[2])).sum(), ((y >= edge[0]) & (y <= edge[3])).sum()])
        surplus[w] = 1 - within / len(y) - _OUTSIDE
        naive = np.abs(table[w - ahead] - table[w])[usable]
        both = ~np.isnan(naive)
        if w >= _TRIED + ahead and both.any():
            ours = np.abs(middle[w] - table[w])[usable]
            scores.append([len(y), both.sum(), ours[both].sum(), naive[both].sum(), *within])
    return bounds, np.array(scores, dtype=float).reshape(-1, 6)


def _stride(size: int, slots: int) -> int:
    """Step through `size` errors that leaves about two thousand and, over the weeks, passes by every slot."""
    step = max(1, size // _ERRORS)
    while step > 1 and gcd(step, slots) > 1:
        step += 1
    return step


def _rows(
    scope: str,
    at: np.ndarray | None = None,
    distance: np.ndarray | None = None,
    values: np.ndarray | None = None,
) -> pd.DataFrame:
    at = np.zeros(0, dtype=np.int64) if at is None else at
    values = np.full((5, len(at)), np.nan) if values is None else values
    return pd.DataFrame(
        {
            "scope": np.full(len(at), scope, dtype=object),
            "at": pd.DatetimeIndex(at.astype("datetime64[us]"), tz="UTC"),
            "weeks_ahead": np.zeros(0, dtype=np.int64) if distance is None else distance,
            "expected": values[0],
            **{name: values[1 + i] for i, name in enumerate(_BOUNDS)},
        }
    )[["scope", "at", "weeks_ahead", "expected", "low80", "high80", "low95", "high95"]]


def _tried(scope: str, found: list[tuple[int, np.ndarray | None, str | None]]) -> pd.DataFrame:
    rows = []
    for ahead, scores, reason in found:
        n, both, ours, naive, in80, in95 = (
            np.zeros(6) if scores is None or not len(scores) else scores.sum(axis=0)
        )
        rows.append(
            {
                "scope": scope, "weeks_ahead": ahead, "n_weeks": 0 if scores is None else len(scores), "n": int(n),
                "error": ours / both if both else np.nan, "naive_error": naive / both if both else np.nan,
                "gain_pct": 100 * (1 - ours / naive) if naive else np.nan,
                "covered80": 100 * in80 / n if n else np.nan, "covered95": 100 * in95 / n if n else np.nan,
                "reason": reason,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _text(found: Series, table: pd.DataFrame, backtest: pd.DataFrame, weeks: int) -> str:
    n, done = len(found.grids), int(backtest.loc[backtest["weeks_ahead"] == 1, "n"].gt(0).sum())
    able = table["scope"].nunique()
    says = f"{found.metric}, {weeks} week{'s' * (weeks != 1)} ahead"
    says += f" on {able} of {how_many(g.scope for g in found.grids)}" if n > 1 or not able else ""
    if not done:
        return says + f": {backtest['reason'].iloc[0]}."
    tried = backtest[backtest["n"] > 0]
    share = (
        np.average(tried["covered80"], weights=tried["n"]),
        np.average(tried["covered95"], weights=tried["n"]),
    )
    gain = float(tried.groupby("weeks_ahead")["gain_pct"].median().mean())  # scopes differ in size by far
    errs = f"it errs {abs(gain):.0f} % {'less' if gain >= 0 else 'more'} than taking the last week again; "
    says += f". Tried on the past ({int(tried['n'].sum()):,} values), {errs if np.isfinite(gain) else ''}"
    says += f"its 80 % interval held {share[0]:.0f} %, its 95 % interval {share[1]:.0f} %."
    return says + (f" {n - able} scope(s) have too few weeks." if able < n else "")
