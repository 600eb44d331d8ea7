"""One probe of a steady state: a statistic of the last minutes of a series against its limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .steady_state import MIN_COVERAGE, STATISTICS

INSIDE, OUTSIDE, NO_DATA = 0, 1, 2
"""Exit codes of `resilience probe`: missing data is never steady."""


@dataclass(frozen=True)
class Probed:
    """`value` (null where there is no data), `n` points of `expected`, `code` (see `INSIDE`) and the sentence."""

    value: float
    n: int
    expected: int
    code: int
    text: str


def probe(
    points: pd.DataFrame,
    *,
    at: pd.Timestamp,
    minutes: float,
    statistic: str,
    low: float | None = None,
    high: float | None = None,
    per_minute: bool = False,
) -> Probed:
    """`points` (at, value, interval_s) of one series, over the `minutes` before `at`; intervals that lie wholly within.

    `per_minute` divides counts by the length of their interval. Fewer than 80 % of the points are no data. Raises
    InputError for an unknown statistic.
    """
    if statistic not in STATISTICS:
        raise InputError(
            f"There is no statistic {statistic!r}.", remedy=f"Use one of {', '.join(STATISTICS)}."
        )
    if points.empty:
        return Probed(np.nan, 0, 0, NO_DATA, "No data: the series has no point in these minutes.")
    step = float(points["interval_s"].min())
    rows = points[points["interval_s"] == step]
    width = pd.Timedelta(seconds=step)
    inside = rows[(rows["at"] >= at - pd.Timedelta(minutes=minutes)) & (rows["at"] + width <= at)]
    values = inside["value"].dropna().to_numpy(dtype=float)
    values = values[np.isfinite(values)] / (step / 60 if per_minute else 1.0)
    expected = max(int(minutes * 60 / step) - 1, 1)
    if len(values) < MIN_COVERAGE * expected:
        return Probed(np.nan, len(values), expected, NO_DATA, f"No data: {len(values)} of {expected} points.")
    value = float(STATISTICS[statistic](values))
    broken = (low is not None and value < low) or (high is not None and value > high)
    limits = [
        f"{name} {limit:g}" for name, limit in (("at least", low), ("at most", high)) if limit is not None
    ]
    place = f"{'outside' if broken else 'inside'} {', '.join(limits) or 'no limit'}"
    said = f"{statistic} {value:.6g} over {minutes:g} min ({len(values)} points): {place}"
    return Probed(value, len(values), expected, OUTSIDE if broken else INSIDE, said)
