"""When an ordinary week will need all that a service carries: a range of dates, or not within the horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import trend
from .grid import MONDAY_US, WEEK_US, Grid, Spans, read
from .movement import service_of

DRAWS = 2000
HORIZON_WEEKS = 52
UNLIKELY = 0.10  # chance below which running out is not within the horizon


@dataclass(frozen=True)
class Exhaustion:
    """`table`: one row per scope, the first to run out first.

    scope, service; limit (load per interval that it carries); busiest (expected in the busiest slot of the present ordinary
    week); used (busiest / limit); growth_pct, growth_low, growth_high (per year, 80 %); chance (that it runs out within the
    horizon); earliest, likely, latest (10, 50 and 90 % of the dates on which the busiest slot of an ordinary week first
    needs the whole limit; null where that lies beyond the horizon); state (exhausted, within the horizon, not within the
    horizon, not known); n_weeks; error_pct, naive_pct (backtest 13 weeks ahead); reason (why not known).
    """

    table: pd.DataFrame
    text: str


def exhaustion(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    limits: Mapping[str, float],
    exclude: Spans | None = None,
    horizon_weeks: int = HORIZON_WEEKS,
    seed: int = 0,
) -> Exhaustion:
    """Dates on which each scope of `metric` runs out. `limits`: service or scope -> load per interval that it carries.

    The horizon is at most half of the history. The future level is drawn from the trend (see `trend`), an ordinary week
    keeps the shape that it had; sales and holidays do not count. A service without a limit is listed as not known.
    """
    found = read(series, metric, None, exclude)
    rows = [_one(g, zone, _limit(g.scope, limits), horizon_weeks, seed) for g in found.grids]
    table = pd.DataFrame(rows)
    rank = {"exhausted": 0, "within the horizon": 1, "not within the horizon": 2, "not known": 3}
    table["order"] = table["state"].map(rank)
    far = pd.Timestamp.max.tz_localize("UTC").as_unit("us")
    table["when"] = table["likely"].fillna(table["earliest"]).fillna(far)
    table = table.sort_values(
        ["order", "when", "used", "scope"], ascending=[True, True, False, True], ignore_index=True
    ).drop(columns=["order", "when"])
    return Exhaustion(table, _text(table, metric, horizon_weeks))


def _limit(scope: str, limits: Mapping[str, float]) -> float:
    return float(limits.get(scope, limits.get(service_of(scope) or "", np.nan)))


def _one(grid: Grid, zone: str, limit: float, horizon: int, seed: int) -> dict[str, object]:
    nothing = pd.NaT
    row: dict[str, object] = {
        "scope": grid.scope, "service": service_of(grid.scope), "limit": limit, "busiest": np.nan, "used": np.nan,
        "growth_pct": np.nan, "growth_low": np.nan, "growth_high": np.nan, "chance": np.nan, "earliest": nothing,
        "likely": nothing, "latest": nothing, "state": "not known", "n_weeks": 0, "error_pct": np.nan, "naive_pct": np.nan,
        "reason": None,
    }  # fmt: skip
    line = trend.fit(grid, zone)
    if line is None:
        return {**row, "reason": f"fewer than {trend.MIN_WEEKS} ordinary weeks"}
    now = line.origin + 1.0
    top = float(np.nanmax(line.shape))
    growth, low, high = line.growth_pct
    busiest = top * float(line.levels(np.array([now]))[0])
    row |= {
        "busiest": busiest, "growth_pct": growth, "growth_low": low, "growth_high": high, "n_weeks": line.n,
        "error_pct": line.error_pct, "naive_pct": line.naive_pct,
    }  # fmt: skip
    if not limit > 0:
        return {**row, "reason": "no limit is known"}
    row["used"] = busiest / limit
    if busiest >= limit:
        return {**row, "state": "exhausted", "chance": 1.0}
    weeks = min(horizon, line.n // 2)
    ahead = now + np.arange(weeks * 7 + 1) / 7
    over = top * line.levels(ahead, line.draws(DRAWS, seed)) >= limit
    chance = float(over.any(axis=1).mean())
    row["chance"] = chance
    if chance < UNLIKELY:
        return {**row, "state": "not within the horizon"}
    first = np.where(over.any(axis=1), np.argmax(over, axis=1), np.inf)
    dates = [_date(ahead, q) for q in np.quantile(first, [0.1, 0.5, 0.9], method="inverted_cdf")]
    return {**row, "state": "within the horizon", **dict(zip(("earliest", "likely", "latest"), dates, strict=True))}


def _date(ahead: np.ndarray, place: float) -> pd.Timestamp:
    if not np.isfinite(place):
        return pd.NaT
    us = int(ahead[int(place)] * WEEK_US) - MONDAY_US
    return pd.Timestamp(us, unit="us", tz="UTC").as_unit("us").normalize()


def _text(table: pd.DataFrame, metric: str, horizon: int) -> str:
    counts = table["state"].value_counts()
    over, soon = (int(counts.get(s, 0)) for s in ("exhausted", "within the horizon"))
    unknown = int(counts.get("not known", 0))
    says = f"Of {len(table)} scopes of {metric}, {over} need all they carry in an ordinary week already, {soon} may within "
    says += f"{horizon} weeks, {int(counts.get('not within the horizon', 0))} not"
    says += f"; of {unknown} it is not known" if unknown else ""
    first = table[table["state"] == "within the horizon"]
    if len(first):
        row = first.iloc[0]
        latest = f"{row['latest']:%Y-%m-%d}" if pd.notna(row["latest"]) else "after the horizon"
        says += f". First: {row['service'] or row['scope']}, between {row['earliest']:%Y-%m-%d} and {latest} (80 %)"
    tried = table["error_pct"].notna()
    if tried.any():
        ours, naive = table.loc[tried, "error_pct"].median(), table.loc[tried, "naive_pct"].median()
        says += f". Levels {trend._AHEAD} weeks ahead were off by {ours:.1f} % in the median of backtests"
        says += f" (the week a year before: {naive:.1f} %)"
    return says + ". Sales and holidays do not count."
