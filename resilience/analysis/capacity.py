"""How the load grows against the year before, and how much room is left. `profile` is what the week looks like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .grid import MONDAY_US, WEEK_US, Grid, Spans, local, read
from .profile import QUANTILES, Profile, profile

__all__ = ["QUANTILES", "Growth", "Profile", "growth", "profile"]

MIN_WEEKS = 8  # matched weeks below which growth is not measurable
MIN_COVERAGE = 0.8  # share of a week's intervals that must hold a value before its median is used


@dataclass(frozen=True)
class Growth:
    """Weeks against the same weeks a year earlier. `table`: one row per scope: scope, n_weeks (pairs of weeks 52 weeks
    apart), growth_pct (median over pairs), low_pct and high_pct (10th and 90th percentile of pairs: a spread over
    weeks, not an interval of confidence), reason (why it is not measurable, else null)."""

    table: pd.DataFrame
    text: str


def growth(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    scope: str | Iterable[str] | None = None,
    exclude: Spans | None = None,
) -> Growth:
    """Median of each local week of `metric` against the week 52 weeks earlier, per scope.

    A week counts where at least 80 % of its intervals hold a value, a pair where both weeks count and the earlier
    median is positive; with fewer than eight pairs growth is not measurable. Arguments and refusals as `profile`,
    without the limit on the interval.
    """
    rows = []
    for grid in read(series, metric, scope, exclude).grids:
        now = _weekly_medians(grid, zone)
        pairs = (now / now.set_axis(now.index + 52).where(lambda m: m > 0)).dropna()
        found = (
            np.quantile(100 * (pairs - 1), [0.5, 0.1, 0.9]) if len(pairs) >= MIN_WEEKS else np.full(3, np.nan)
        )
        reason = (
            None
            if len(pairs) >= MIN_WEEKS
            else f"{len(pairs)} pairs of weeks a year apart; {MIN_WEEKS} are needed"
        )
        rows.append([grid.scope, len(pairs), *found, reason])
    table = pd.DataFrame(rows, columns=["scope", "n_weeks", "growth_pct", "low_pct", "high_pct", "reason"])
    table = table.astype({"scope": "str", "reason": "str"})
    known = table.dropna(subset="growth_pct")
    if len(known) == 1:
        row = known.iloc[0]
        text = (
            f"The median week of {metric} on {row['scope']} stood {row['growth_pct']:+.0f} % against the same week a "
            f"year earlier (nine weeks in ten below {row['high_pct']:+.0f} %, nine in ten above {row['low_pct']:+.0f} %; "
            f"{row['n_weeks']} pairs of weeks)."
        )
    elif len(known):
        low, high = known["growth_pct"].min(), known["growth_pct"].max()
        text = f"{metric} changed by {low:+.0f} % to {high:+.0f} % within a year on {len(known)} scopes."
    else:
        text = f"Growth of {metric} is not measurable: too few weeks a year apart."
    if len(known) and len(known) < len(table):
        text += f" Not measurable on {len(table) - len(known)} more."
    return Growth(table, text)


def _weekly_medians(grid: Grid, zone: str) -> pd.Series:
    """Median by local week since 1970, of weeks with at least `MIN_COVERAGE` of their intervals."""
    value = grid.kept
    used = ~np.isnan(value)
    week = (local(grid.edges[used], zone) + MONDAY_US) // WEEK_US
    found = pd.Series(value[used]).groupby(week).agg(["median", "size"])
    return found.loc[found["size"] >= MIN_COVERAGE * WEEK_US / grid.step_us, "median"]
