"""Whether people report as they did: what would make a change of times one of paper.

Measured (METHODS): minor incidents reported more often give a false "improved" in 20 % of comparisons.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import scipy  # its parts are loaded when first used: statistics take most of a second

_WORDS = {"critical": 1, "highest": 1, "blocker": 1, "high": 2, "major": 2, "medium": 3, "moderate": 3, "minor": 4,
          "low": 4, "trivial": 5, "lowest": 5, "none": 6}  # fmt: skip
_SURE = 0.05
_ISO_DATE = re.compile(r"(\b(?:19|20)\d\d-[01]\d-[0-3]\d\b)")
_RATE = 1.5  # times as many a month, where severity is not stated


def begun(incidents: pd.DataFrame) -> pd.Series:
    """When each began, else the first later moment that is known; null where there is none."""
    found = incidents["started_at"]
    for name in ("detected_at", "declared_at", "acknowledged_at", "mitigated_at", "resolved_at", "dated_at"):
        if name in incidents:
            found = found.fillna(incidents[name])
    return found


def dated(incidents: pd.DataFrame, timeline: pd.DataFrame | None = None) -> pd.DataFrame:
    """`incidents` with `dated_at`, which places a report in time where no moment does: the first known line of its
    timeline, else the first ISO date in its text. Good to about a day, so for order and periods only, never a duration."""
    named = pd.to_datetime(incidents["text"].str.extract(_ISO_DATE, expand=False), errors="coerce", utc=True)
    first = named.dt.as_unit("us")
    if timeline is not None and len(timeline):
        moments = timeline.groupby("incident_id")["at"].min()
        first = incidents["incident_id"].map(moments).astype("datetime64[us, UTC]").fillna(first)
    return incidents.assign(dated_at=first)


def rank(severity: pd.Series) -> pd.Series:
    """Severity as a number, greater is less severe: the digits of 'SEV2', 'P3', else common words; null otherwise."""

    def one(text: object) -> float:
        words = str(text).lower()
        digits = re.search(r"\d+", words)
        if digits:
            return float(digits[0])
        return next((float(n) for word, n in _WORDS.items() if word in words), np.nan)

    ranks = {level: one(level) for level in severity.dropna().unique()}
    return severity.map(ranks).astype(float)


def changed(rows: pd.DataFrame) -> str:
    """How reporting changed from `~late` to `late`, in words; empty where nothing shows.

    `rows`: incidents with the boolean column `late`. The least severe level is tested as a share (Fisher's exact test);
    where severity is mostly not stated, a rise of reports a month by half or more is all that can be seen.
    """
    late = rows["late"].to_numpy(dtype=bool)
    known = rank(rows["severity"]) if "severity" in rows else pd.Series(np.nan, index=rows.index)
    stated = known.notna().to_numpy()
    if stated.mean() >= 0.5 if len(rows) else False:
        levels = known[stated]
        if levels.nunique() < 2:
            return ""
        minor = (known == levels.max()).to_numpy()
        table = [
            [int((stated & half & minor).sum()), int((stated & half & ~minor).sum())]
            for half in (~late, late)
        ]
        if min(map(sum, table)) and scipy.stats.fisher_exact(table).pvalue < _SURE:
            shares = [row[0] / sum(row) for row in table]
            least = rows.loc[stated & minor, "severity"].iloc[0]
            return (
                f"reporting changed: {shares[0]:.0%} of incidents before are minor ({least}) and {shares[1]:.0%} "
                "after, so that "
                "the average is of other incidents"
            )
        return ""
    return _more_reports(begun(rows), late)


def without_excess(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """`rows` (with `late`, `minutes`) less the shortest of the period that reports more a month, and those rates in words.

    So many are left out that both periods report alike: if they are minor ones that formerly went untold, this is what
    remains. Trimming bounds of Lee (2009), Review of Economic Studies 76, 1071-1102. Rows as they are, and '', where
    severities tell (see `changed`), where too few have a date, or where the longer period reports no more than the other.
    """
    late = rows["late"].to_numpy(dtype=bool)
    stated = rank(rows["severity"]).notna().mean() if "severity" in rows else 0.0
    rates = _rates(begun(rows), late)
    if stated >= 0.5 or rates is None:
        return rows, ""
    more = late if rates[1] > rates[0] else ~late
    excess = round(int(more.sum()) * (1 - min(rates) / max(rates)))
    shortest = rows.loc[more, "minutes"].sort_values(kind="stable").index[:excess]
    return rows.drop(
        index=shortest
    ), f"{rates[0] * 30:.1f} incidents a month before and {rates[1] * 30:.1f} after"


def _rates(began: pd.Series, late: np.ndarray) -> tuple[float, float] | None:
    """Reports a day before and after; None under five dated ones on either side.

    A period's length is that of its middle nine tenths, made whole: one mistyped year would stretch it otherwise.
    """
    dated = began.notna().to_numpy()
    halves = [began[dated & half] for half in (~late, late)]
    if min(map(len, halves)) < 5:
        return None
    days = [
        max((half.quantile(0.95) - half.quantile(0.05)).total_seconds() / 86400 / 0.9, 1.0) for half in halves
    ]
    return len(halves[0]) / days[0], len(halves[1]) / days[1]


def _more_reports(began: pd.Series, late: np.ndarray) -> str:
    """Whether many more were reported a month than before, of incidents without a severity."""
    rates = _rates(began, late)
    if rates is None or rates[1] < _RATE * rates[0]:
        return ""
    dated = began.notna().to_numpy()
    counts = [int((dated & half).sum()) for half in (~late, late)]
    days = [count / rate for count, rate in zip(counts, rates, strict=True)]
    if scipy.stats.binomtest(counts[1], sum(counts), days[1] / sum(days)).pvalue >= 0.01:
        return ""
    return (
        f"reporting changed: {rates[0] * 30:.1f} incidents a month before and {rates[1] * 30:.1f} after, without a severity "
        "that would tell whether the new ones are minor"
    )
