"""Steady state of a service at an hour of the week, as limits that ordinary windows keep together and faults break.

Each limit is one-sided, where harm lies: latency and errors from above, traffic from below. The limits of one experiment
are set jointly: ordinary windows must keep all of them in `JOINT` of cases, or a GameDay is lost to noise.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

JOINT = 0.985  # share of ordinary past windows that keep all limits; above 95 % because the future is not the past
WEEKS = 12
MOST_REACH = 8.0  # multiples of the scale: past that, what was left in is not ordinary
LEAST = 6  # values of that hour of the week, or there is no limit
LEAST_SCALE = 0.01  # residuals on the log scale: a series without any noise still gets a band of this width
SHORT = 0.05  # a window of 20 minutes strays more than an hour's mean: added to every limit, on the log scale
_SIDES = (
    ("latency", 1, ("duration", "latency")),
    ("errors", 1, ("error",)),
    ("traffic", -1, ("hits", "requests", "count")),
)

COLUMNS = ("probe", "metric", "scope", "statistic", "low", "high", "usual", "unit", "n", "text")


def side(metric: str) -> tuple[str, int] | None:
    """What a metric measures and on which side harm lies (1 above, -1 below); None where its name does not say."""
    return next(((name, sign) for name, sign, words in _SIDES if any(w in metric for w in words)), None)


def limits(
    series: pd.DataFrame,
    at: pd.Timestamp,
    zone: str,
    *,
    exclude: Iterable[tuple[pd.Timestamp, pd.Timestamp]] = (),
) -> pd.DataFrame:
    """One row per metric and scope of `series` that can be probed around `at` (aware); columns `COLUMNS`.

    From the `WEEKS` weeks before `at` (or before the series' end, where that is earlier), the same local
    hour of the week and its neighbours, without `exclude` (incidents, GameDays, sales). Counts are taken as
    rates per interval of the series and named so in `text`. `low` and `high`: null where the limit is on
    the other side.
    """
    spans = list(exclude)
    parts = []
    for (metric, scope), rows in series.groupby(["metric", "scope"], sort=True):
        known = side(str(metric))
        if known is None:
            continue
        rows = rows[rows["interval_s"] == rows["interval_s"].max()].sort_values("at")
        rows = rows[rows["value"].notna() & np.isfinite(rows["value"]) & (rows["at"] < at)]
        if rows.empty:
            continue
        end = rows["at"].iloc[-1]
        rows = rows[rows["at"] >= end - pd.Timedelta(weeks=WEEKS)]
        rows = rows[~_inside(rows["at"], rows["interval_s"].iloc[0], spans)]
        if rows.empty:
            continue
        found = _baseline(rows, at, zone, known[1])
        if found is not None:
            parts.append((known, metric, scope, rows, found))
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    reach = _joint([found[1] * known[1] for known, _, _, _, found in parts])
    table = []
    for (what, sign), metric, scope, rows, (usual, residual, n) in parts:
        scale = max(_scale(residual), LEAST_SCALE)
        edge = usual * np.exp(sign * (reach * scale + SHORT))
        unit, per = rows["unit"].iloc[0], rows["interval_s"].iloc[0]
        kind = "sum" if rows["rollup"].iloc[0] in ("sum", "count") else "mean"
        said = f"{what} usually {usual:.4g} at that hour ({n} ordinary values in {WEEKS} weeks); limit {edge:.4g}"
        said += f" per {per / 60:g} min" if kind == "sum" else ""
        table.append(
            (
                f"{what} of {str(scope).rpartition('service:')[2]}", metric, scope, "mean",
                _round(edge / per * 60 if kind == "sum" else edge) if sign < 0 else np.nan,
                _round(edge / per * 60 if kind == "sum" else edge) if sign > 0 else np.nan,
                _round(usual / per * 60 if kind == "sum" else usual), unit if kind != "sum" else f"{unit}/min", n, said,
            )
        )  # fmt: skip
    return pd.DataFrame(table, columns=list(COLUMNS))


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _inside(at: pd.Series, step: float, spans: list[tuple[pd.Timestamp, pd.Timestamp]]) -> np.ndarray:
    found = np.zeros(len(at), dtype=bool)
    width = pd.Timedelta(seconds=float(step))
    for start, end in spans:
        found |= ((at + width > start) & (at < end)).to_numpy()
    return found


def _baseline(
    rows: pd.DataFrame, at: pd.Timestamp, zone: str, sign: int
) -> tuple[float, np.ndarray, int] | None:
    """Usual value at the hour of the week of `at`, residuals (log) of all hours against theirs, and n at that hour."""
    values = rows["value"].to_numpy(dtype=float)
    if (values <= 0).mean() > 0.1:
        return None
    local = rows["at"].dt.tz_convert(zone)
    slot = (local.dt.day_of_week * 24 + local.dt.hour).to_numpy()
    log = np.log(np.maximum(values, 1e-9))
    medians = pd.Series(log).groupby(slot).median()
    wanted = at.tz_convert(zone)
    here = wanted.day_of_week * 24 + wanted.hour
    n = int((slot == here).sum())
    if n < LEAST:
        sparse = len(log) < 168 * LEAST
        if not sparse or len(log) < 2 * LEAST:
            return None
        medians = pd.Series(
            np.median(log), index=range(168)
        )  # too few for hours of the week: one level for all
        n = len(log)
    near = [medians[s % 168] for s in (here - 1, here, here + 1) if s % 168 in medians]
    # growth within the weeks: the last four against all
    residual = log - medians.reindex(slot).to_numpy()
    recent = residual[rows["at"] >= rows["at"].iloc[-1] - pd.Timedelta(weeks=4)]
    shift = float(np.median(recent)) if len(recent) >= LEAST else 0.0
    usual = (max(near) if sign > 0 else min(near)) + shift
    return float(np.exp(usual)), residual, n


def _scale(residual: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))


def _joint(residuals: list[np.ndarray]) -> float:
    """Multiple of each one's scale that `JOINT` of windows keep in all of them (Bonferroni; they need not
    be independent)."""
    share = (1 - JOINT) / len(residuals)
    reach = [np.quantile(r - np.median(r), 1 - share) / max(_scale(r), LEAST_SCALE) for r in residuals]
    return float(min(max([3.0, *reach]), MOST_REACH))
