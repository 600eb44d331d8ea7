"""Probes of a steady state: statistics of the last minutes of series against their limits, and how good these are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from . import intervals
from .steady_state import MIN_COVERAGE, STATISTICS

INSIDE, OUTSIDE, NO_DATA = 0, 1, 2
"""Exit codes of `resilience probe`: missing data is never steady."""
ORDINARY, ALL = "ordinary", "incidents"
Spans = Sequence[tuple[pd.Timestamp, pd.Timestamp]]


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


def together(limits: pd.DataFrame, points: pd.DataFrame, *, at: pd.Timestamp, minutes: float) -> int:
    """The probes of one experiment (`tolerances.limits`) over the `minutes` before `at`, as a steady-state hypothesis takes

    them: OUTSIDE where one of them is, INSIDE where each of them is, else NO_DATA. `points`: rows of series.
    """
    codes = set()
    for row in limits.itertuples():
        mine = points[(points["metric"] == row.metric) & (points["scope"] == row.scope)]
        found = probe(
            mine, at=at, minutes=minutes, statistic=str(row.statistic),
            low=None if pd.isna(row.low) else float(row.low), high=None if pd.isna(row.high) else float(row.high),
            per_minute=str(row.unit).endswith("/min"),
        )  # fmt: skip
        codes.add(found.code)
    return OUTSIDE if OUTSIDE in codes else NO_DATA if NO_DATA in codes or not codes else INSIDE


def windows(points: pd.DataFrame, minutes: float, exclude: Spans, most: int) -> list[pd.Timestamp]:
    """Ends of at most `most` windows of `minutes`, spread over time, that `points` fill and no span of `exclude` touches."""
    width = pd.Timedelta(minutes=minutes)
    cells = points["at"].dt.floor(width).drop_duplicates().sort_values()
    free = np.ones(len(cells), dtype=bool)
    for first, last in exclude:
        free &= ~((cells + width > first) & (cells < last)).to_numpy()
    step = points["interval_s"].min()
    seen = points[points["interval_s"] == step].groupby(points["at"].dt.floor(width))["at"].nunique()
    full = cells.map(seen).fillna(0).to_numpy() >= MIN_COVERAGE * minutes * 60 / step if len(cells) else free
    ends = list(cells[free & full] + width)
    if len(ends) <= most:
        return ends
    return [ends[i] for i in np.linspace(0, len(ends) - 1, most).round().astype(int)]


@dataclass(frozen=True)
class Trial:
    """`table`: one row per kind of window: windows, n (judged), held, share with low and high (95 %, Wilson), unknown (no
    data for one of the probes). `text`: the same in a sentence. `tried`: one row per window."""

    table: pd.DataFrame
    text: str
    tried: pd.DataFrame


def trial(tried: pd.DataFrame, left_out: Sequence[str]) -> Trial:
    """How exported probes did. `tried`: one row per window: `kind` (ORDINARY, or the severity of an incident) and `code`.

    A good hypothesis holds in ordinary windows and breaks in incidents; `left_out` says what could not be tried.
    """
    rows = []
    for kind, part in _kinds(tried):
        n, held = int((part["code"] != NO_DATA).sum()), int((part["code"] == INSIDE).sum())
        good = held if kind == ORDINARY else n - held
        low, high = intervals.proportion(good, n)
        share = good / n if n else np.nan
        unknown = len(part) - n
        rows.append((kind, len(part), unknown, n, held, n - held, share, low, high))
    columns = ["windows", "tried", "unknown", "n", "held", "broke", "as_it_should", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    said = []
    for row in table.itertuples():
        if row.windows == ORDINARY or row.windows == ALL:
            what = "ordinary windows" if row.windows == ORDINARY else "incidents"
            good, verb = (
                (row.held, "held together in") if row.windows == ORDINARY else (row.broke, "broke in")
            )
            said.append(
                f"{verb} {good} of {row.n} {what} ({row.as_it_should:.0%}, 95 % interval {row.low:.0%} to {row.high:.0%})"
                if row.n
                else f"could not be tried in {what}"
            )
    text = f"All probes of an experiment {' and '.join(said)}."
    if tried.empty:
        text = "Nothing could be tried: that takes later incidents, and series of a few minutes around them."
    return Trial(table, " ".join([text, *left_out]), tried)


def _kinds(tried: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    faults = tried[tried["kind"] != ORDINARY]
    severities = [(str(name), part) for name, part in faults.groupby("kind", sort=True)]
    return [(ORDINARY, tried[tried["kind"] == ORDINARY]), (ALL, faults), *severities]
