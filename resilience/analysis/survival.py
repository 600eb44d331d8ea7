"""Durations some of which are not over: Kaplan-Meier, its median, and the mean up to a limit.

Kaplan and Meier (1958), JASA 53, 457-481; the median's interval by log-log limits after Brookmeyer and Crowley (1982),
Biometrics 38, 29-41; the restricted mean's variance is Greenwood's, as in Klein and Moeschberger (2003), section 4.5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy  # its parts are loaded when first used: statistics take most of a second

from ..errors import InputError
from .intervals import LEVEL

LIMITS = (5, 10, 20, 30, 60, 120, 240, 480, 1440, 2880, 10080, 20160, 40320)
"""Minutes to which a mean may be restricted, as people say them: from 5 minutes to four weeks."""


class Median(NamedTuple):
    """Median minutes with its interval; infinite where the curve, or its limit, never falls to a half: 'not reached'."""

    median: float
    low: float
    high: float


class RestrictedMean(NamedTuple):
    """Mean of min(duration, limit), all in minutes."""

    mean: float
    low: float
    high: float
    limit: float


def curve(minutes: npt.ArrayLike, over: npt.ArrayLike, level: float = LEVEL) -> pd.DataFrame:
    """Share not over by then. One row per distinct end, after a row at 0.

    `minutes`: durations, or how long it has lasted so far; `over`: whether it ended then. Columns: minutes, at_risk,
    ended, left (share, 1 to 0), low, high (log-log limits). Raises InputError for null, negative or infinite minutes.
    """
    time, ended = _sample(minutes, over)
    at = np.unique(time[ended])
    at_risk = len(time) - np.searchsorted(np.sort(time), at, side="left")
    ends = np.searchsorted(np.sort(time[ended]), at, side="right")
    ends = np.diff(ends, prepend=0)
    left = np.cumprod(1 - ends / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(ends / (at_risk * (at_risk - ends)))
        reach = scipy.special.ndtri((1 + level) / 2) * np.sqrt(greenwood) / np.abs(np.log(left))
        low, high = left ** np.exp(reach), left ** np.exp(-reach)
    none = left == 0  # everything is over: nothing is left to be unsure of
    table = {
        "minutes": np.concatenate([[0.0], at]),
        "at_risk": np.concatenate([[len(time)], at_risk]).astype(int),
        "ended": np.concatenate([[0], ends]).astype(int),
        "left": np.concatenate([[1.0], left]),
        "low": np.concatenate([[1.0], np.where(none, 0.0, low)]),
        "high": np.concatenate([[1.0], np.where(none, 0.0, high)]),
    }
    return pd.DataFrame(table)


def median(minutes: npt.ArrayLike, over: npt.ArrayLike, level: float = LEVEL) -> Median:
    """When half is over; infinite ('not reached') where what was seen does not get that far."""
    rows = curve(minutes, over, level)
    return Median(*(_falls_to_half(rows, column) for column in ("left", "low", "high")))


def restricted_mean(
    minutes: npt.ArrayLike, over: npt.ArrayLike, limit: float | None = None, level: float = LEVEL
) -> RestrictedMean:
    """Mean of min(duration, `limit`): what the mean is where some are not over. Null where nothing was seen that long.

    Without a `limit` it is the longest of `LIMITS` that a tenth of the sample has lasted to, else the shortest: beyond
    it a few cases would decide. The interval is normal with n / (n - 1), and needs about n = 30 (METHODS.md).
    """
    time, _ = _sample(minutes, over)
    if not len(time):
        return RestrictedMean(np.nan, np.nan, np.nan, np.nan)
    if limit is None:
        reached = [tau for tau in LIMITS if (time >= tau).mean() >= 0.1]
        limit = float(reached[-1] if reached else LIMITS[0])
    rows = curve(minutes, over, level)
    rows = rows[rows["minutes"] < limit]
    edges = np.append(rows["minutes"].to_numpy(), limit)
    left = rows["left"].to_numpy()
    if left[-1] > 0 and time.max() < limit:  # all that is left was lost from sight before the limit
        return RestrictedMean(np.nan, np.nan, np.nan, limit)
    areas = left * np.diff(edges)
    after = np.cumsum(areas[::-1])[::-1]
    at_risk, ended = rows["at_risk"].to_numpy(), rows["ended"].to_numpy()
    some = (ended > 0) & (at_risk > ended)
    variance = float((after[some] ** 2 * ended[some] / (at_risk[some] * (at_risk[some] - ended[some]))).sum())
    n, mean = len(time), float(areas.sum())
    reach = scipy.special.ndtri((1 + level) / 2) * np.sqrt(variance * n / (n - 1)) if n > 1 else np.nan
    return RestrictedMean(mean, max(mean - reach, 0.0), min(mean + reach, limit), limit)


def _falls_to_half(rows: pd.DataFrame, column: str) -> float:
    below = rows.loc[rows[column] <= 0.5 + 1e-12, "minutes"]
    return float(below.iloc[0]) if len(below) else np.inf


def _sample(minutes: npt.ArrayLike, over: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    time, ended = np.asarray(minutes, dtype=float).ravel(), np.asarray(over, dtype=bool).ravel()
    if len(time) != len(ended):
        raise InputError("Each duration needs to say whether it is over.", remedy="Give both for every row.")
    if not (np.isfinite(time) & (time >= 0)).all():
        raise InputError(
            "A duration is null, negative or infinite.", remedy="Leave such rows out and count them."
        )
    return time, ended
