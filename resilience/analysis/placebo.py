"""What a date on which nothing happened "achieves": the team's own history, cut at random dates.

The plain before-and-after of means that dashboards show is made at each of them, so that the real one can be judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from ..plain_text import count
from . import claims, permutation, reporting
from .claims import Claim
from .clocks import FLOOR_MIN, Clock, clock_of, durations, minutes, refuse_pooling

DATES = 1000
WINDOW_DAYS = 182.0
MIN_SIDE = 5  # durations either side of a date: with fewer no dashboard would show a change
CUT = 0.1
_MOST = 0.4  # of the history on either side, so that whole windows leave a fifth of it for the dates


@dataclass(frozen=True)
class Placebo:
    """`dates`: one row per random date: at, n_before, n_after, mean_before_min, mean_after_min, change (share; -0.1 is a
    cut by a tenth). `real`: the same of the date that was asked about, or null where none was. `cuts`: share of random
    dates that "cut" the mean by a tenth or more; `as_low`: share whose change is at least as low as the real one.
    `smallest`: the least fall, as a share, that so many incidents show four times in five (from, to). `claim`: what can
    be said of the real date, from `window_days` either side as at the random ones. `span`: first and last incident.
    `text`: what random dates do and where the real one lies among them; the verdict on it is the claim's.
    """

    dates: pd.DataFrame
    real: pd.Series | None
    cuts: float
    as_low: float
    smallest: tuple[float, float]
    claim: Claim | None
    clock: Clock
    window_days: float
    span: tuple[pd.Timestamp, pd.Timestamp]
    text: str


def placebo(
    incidents: pd.DataFrame,
    at: pd.Timestamp | None,
    clock: str = "restore",
    *,
    window_days: float = WINDOW_DAYS,
    dates: int = DATES,
    seed: int = 0,
) -> Placebo:
    """Move `at` to `dates` random dates of the same history, and compare the mean before and after at each.

    Before and after are `window_days` either side, at most two fifths of the history. Without `at` only the random
    dates are shown. Random dates have a whole window and five durations on both sides; where too few do, it is
    widened. A true change pulls those near it along. Raises InputError where the history is too short for that, or
    `at` lies outside it; RefusedError where kinds or styles would be pooled.
    """
    which = clock_of(clock)
    if not window_days > 0:
        raise InputError(
            f"A window of {window_days:g} days holds nothing.", remedy="Give a number of days above 0."
        )
    refuse_pooling(incidents, which, [])
    found = durations(incidents, clock)
    rows = incidents.assign(minutes=found["minutes"], began=reporting.begun(incidents))
    used = rows.dropna(subset=["minutes", "began"]).sort_values("began", kind="stable")
    if len(used) < 2 * MIN_SIDE:
        reasons = found["reason"].value_counts()
        why = "; ".join(f"{reason}: {count}" for reason, count in reasons.items())
        raise InputError(
            f"{len(used)} of {len(rows)} incidents have a date and a {which.title.lower()}; {2 * MIN_SIDE} are needed"
            f"{f' ({why})' if why else ''}.",
            remedy="Give a longer history, or another clock.",
        )
    history = _History(
        used["began"].to_numpy(dtype="datetime64[us]").astype(np.int64),
        np.concatenate([[0.0], used["minutes"].cumsum()]),
    )
    span = (used["began"].iloc[0], used["began"].iloc[-1])
    rng = np.random.default_rng(seed)
    longest = _MOST * float(history.began[-1] - history.began[0]) / 86_400e6
    for widened in (1, 2, 4, 8):
        half = round(min(widened * window_days, longest) * 86_400e6)
        first, last = int(history.began[0]) + half, int(history.began[-1]) - half
        moments = np.sort(rng.integers(first, max(last, first) + 1, 20 * dates))
        found = history.changes(moments, half)
        found = found[(found["n_before"] >= MIN_SIDE) & (found["n_after"] >= MIN_SIDE)]
        if len(found) >= dates:
            break
    else:
        raise InputError(
            f"Too few dates have {MIN_SIDE} durations in the {half / 86_400e6:.0f} days before and after: the {len(used)} "
            f"incidents run from {span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}.",
            remedy="Give a longer history, or correct the dates that are far from all others.",
        )
    window_days = half / 86_400e6
    found = found.iloc[np.sort(rng.permutation(len(found))[:dates])].reset_index(drop=True)
    cuts = float((found["change"] <= -CUT).mean())
    real, as_low, claim, smallest = None, np.nan, None, (np.nan, np.nan)
    if at is not None:
        real = history.changes(np.array([round(at.timestamp() * 1e6)]), half).iloc[0]
        if min(real["n_before"], real["n_after"]) < 1:
            raise InputError(
                f"There is no {which.title.lower()} in the {window_days:g} days "
                f"{'after' if real['n_before'] else 'before'} {at:%Y-%m-%d}; the history runs from {span[0]:%Y-%m-%d} to "
                f"{span[1]:%Y-%m-%d}.",
                remedy="Choose a date inside it.",
            )
        claim = _claim(rows, at, clock, pd.Timedelta(days=window_days))
        as_low = float((found["change"] <= real["change"] + 1e-12).mean())
        smallest = (claim.mde.low, claim.mde.high)
    if np.isnan(smallest[0]):
        smallest = _typical(used, found)
    text = _text(found, real, cuts, smallest, claim, which, window_days, len(rows) - len(used))
    return Placebo(found, real, cuts, as_low, smallest, claim, which, window_days, span, text)


@dataclass(frozen=True)
class _History:
    """`began`: microseconds since 1970, ascending. `took`: running totals of the minutes, from 0: one more than `began`."""

    began: np.ndarray
    took: np.ndarray

    def changes(self, moments: np.ndarray, half: int) -> pd.DataFrame:
        """Means of the `half` microseconds before and after each of `moments`."""
        low, middle, high = (
            np.searchsorted(self.began, edge) for edge in (moments - half, moments, moments + half)
        )
        before, after, took = middle - low, high - middle, self.took
        with np.errstate(invalid="ignore", divide="ignore"):
            mean0, mean1 = (took[middle] - took[low]) / before, (took[high] - took[middle]) / after
            change = mean1 / mean0 - 1
        return pd.DataFrame(
            {
                "at": pd.to_datetime(moments, unit="us", utc=True).as_unit("us"),
                "n_before": before,
                "n_after": after,
                "mean_before_min": mean0,
                "mean_after_min": mean1,
                "change": change,
            }
        )


def _claim(rows: pd.DataFrame, at: pd.Timestamp, clock: str, window: pd.Timedelta) -> Claim:
    """Of the `window` either side of `at`, and of the clock as recorded: what the plain figure shows is as recorded too."""
    near = rows[(rows["began"] >= at - window) & (rows["began"] < at + window)]
    before, after, _ = claims.split(near.drop(columns=["minutes", "began"]), at)
    return claims.compare(before, after, clock, by=())


def _typical(used: pd.DataFrame, found: pd.DataFrame) -> tuple[float, float]:
    """The smallest fall for the usual number of incidents either side, where there is no real date to take it from."""
    logs = np.log(used["minutes"].clip(lower=FLOOR_MIN))
    n0, n1 = float(found["n_before"].median()), float(found["n_after"].median())
    se, df = float(logs.std() * np.sqrt(1 / n0 + 1 / n1)), n0 + n1 - 2
    if not se > 0 or df < 2:
        return (np.nan, np.nan)
    low, high = permutation.sigma_range(se, df)
    return (
        float(1 - np.exp(-permutation.smallest_change(low, df))),
        float(1 - np.exp(-permutation.smallest_change(high, df))),
    )


def _text(
    found: pd.DataFrame,
    real: pd.Series | None,
    cuts: float,
    smallest: tuple[float, float],
    claim: Claim | None,
    clock: Clock,
    window_days: float,
    left: int,
) -> str:
    longer = float((found["change"] >= CUT).mean())
    whole = round(window_days / 30.4)
    months = f"{window_days:.0f} days" if whole < 2 else f"{whole} months"
    says = [
        f'A date on which nothing happened "cuts mean {clock.title.lower()} by {CUT:.0%} or more" {cuts:.0%} of the '
        "time here, and "
        f'"makes it {CUT:.0%} worse" {longer:.0%} of the time ({len(found)} random dates, {months} before against '
        f"{months} after)."
    ]
    if real is not None:
        rose = real["change"] > 0
        beyond = (
            found["change"] >= real["change"] - 1e-12 if rose else found["change"] <= real["change"] + 1e-12
        )
        says.append(
            f"On {real['at']:%Y-%m-%d} the mean went from {minutes(real['mean_before_min'])} "
            f"({count(int(real['n_before']), 'incident')}) to {minutes(real['mean_after_min'])} ({int(real['n_after'])}), "
            f"{real['change']:+.0%}; at {int(beyond.sum())} of {len(found)} random dates it "
            f"{'rises' if rose else 'falls'} by as much or more."
        )
    if np.isfinite(smallest[0]) and (claim is None or claim.verdict == claims.NOT_MEASURABLE):
        says.append(
            f"The smallest fall that so many incidents would show four times in five is {smallest[0]:.0%} to "
            f"{smallest[1]:.0%}."
        )
    if left:
        says.append(f"Left out: {left} incidents without a date or a usable duration.")
    return " ".join(says)
