"""Recording against reality: what reports state, over time and around each GameDay, and what the series say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import claims, intervals, reporting
from .clocks import MIN_N

AROUND_DAYS = 61.0  # two months either side of a GameDay
_NO_ONSETS = pd.DataFrame({"incident_id": pd.Series(dtype="str")})


@dataclass(frozen=True)
class Recorded:
    """Time to detect as recorded beside what the series show. `table`, one row per incident, minutes:

    incident_id, recorded_min (detected - recorded start); start_late_min (recorded start - onset, negative where the
    start is recorded before anything moved) and true_min (detected - onset), each with `*_low`, `*_high` from the
    onset's interval; `bound`: 'interval' where anchored, 'at least' where the series give none (detection took at
    least as long as recorded, had the start been recorded late), null where nothing is known. `medians`: of anchored ones
    with both times to detect, the median as recorded and from the onset: group, n, median_min, median_low, median_high
    (95 %, null under ten). `anchored`, `n`: counts. `text`.
    """

    table: pd.DataFrame
    medians: pd.DataFrame
    anchored: int
    n: int
    text: str


def components(incidents: pd.DataFrame, quality: pd.DataFrame) -> pd.DataFrame:
    """Share of reports that state each component, per quarter of their beginning (UTC).

    `quality` is the table incident_quality. Columns: quarter, component, n (reports), present, share, low, high (95 %).
    """
    began = reporting.begun(incidents)
    quarter = began.dt.tz_localize(None).dt.to_period("Q").astype("str").mask(began.isna(), "(undated)")
    dated = pd.DataFrame({"incident_id": incidents["incident_id"], "quarter": quarter})
    return _shares(quality.merge(dated, on="incident_id"), ["quarter", "component"])


def around(
    incidents: pd.DataFrame, quality: pd.DataFrame, gamedays: pd.DataFrame, days: float = AROUND_DAYS
) -> pd.DataFrame:
    """Share of reports that state each component in the `days` either side of the end of each GameDay (`claims.after`).

    Columns: gameday_id, component, n_before, share_before, n_after, share_after, low, high: the difference of shares
    (after - before) with its 95 % interval, null under ten reports on either side.
    """
    began = reporting.begun(incidents)
    rows = []
    for day in gamedays.sort_values("held_on").itertuples():
        away = (began - claims.after(day.held_on)).dt.total_seconds() / 86_400
        side = pd.Series(
            np.select([(away < 0) & (away >= -days), (away >= 0) & (away < days)], ["before", "after"], "")
        )
        near = pd.DataFrame({"incident_id": incidents["incident_id"].to_numpy(), "side": side})
        found = _shares(quality.merge(near[near["side"] != ""], on="incident_id"), ["component", "side"])
        for component, part in found.groupby("component", sort=False):
            halves = part.set_index("side")
            row: dict[str, object] = {"gameday_id": day.gameday_id, "component": component}
            for name in ("before", "after"):
                one = halves.loc[name] if name in halves.index else {"n": 0, "share": np.nan, "present": 0}
                row |= {
                    f"n_{name}": int(one["n"]),
                    f"present_{name}": int(one["present"]),
                    f"share_{name}": one["share"],
                }
            rows.append(row | dict(zip(("low", "high"), _difference(row), strict=True)))
    columns = ["gameday_id", "component", "n_before", "present_before", "share_before"]
    return pd.DataFrame(rows, columns=[*columns, "n_after", "present_after", "share_after", "low", "high"])


def against_reality(incidents: pd.DataFrame, onsets: pd.DataFrame | None = None) -> Recorded:
    """Recorded time to detect = true time to detect - how late the start was recorded, where a series shows the onset.

    `onsets`: incident_id, onset or onset_at, earliest, latest (UTC; null where none was found), one row each. The
    onset's interval carries over.
    """
    given = _NO_ONSETS if onsets is None or onsets.empty else onsets.rename(columns={"onset_at": "onset"})
    given = given[[c for c in ("incident_id", "onset", "earliest", "latest") if c in given]]
    rows = incidents[["incident_id", "started_at", "detected_at"]].merge(given, on="incident_id", how="left")
    for name in ("onset", "earliest", "latest"):
        if name not in rows:
            rows[name] = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    table = pd.DataFrame({"incident_id": rows["incident_id"]})
    table["recorded_min"] = _minutes(rows["detected_at"], rows["started_at"])
    for name, moment in (("start_late", "started_at"), ("true", "detected_at")):
        table[f"{name}_min"] = _minutes(rows[moment], rows["onset"])
        table[f"{name}_low"] = _minutes(rows[moment], rows["latest"])
        table[f"{name}_high"] = _minutes(rows[moment], rows["earliest"])
    anchored = table["true_min"].notna()
    lone = ~anchored & table["recorded_min"].notna()
    table.loc[lone, "true_low"] = table.loc[lone, "recorded_min"]
    table["bound"] = pd.Series(
        np.select([anchored, lone], ["interval", "at least"], ""), dtype="str"
    ).replace("", None)
    n, count = len(table), int(anchored.sum())
    both = table.loc[anchored, ["recorded_min", "true_min"]].dropna()
    return Recorded(table, _medians(both), count, n, _text(table[anchored], both, count, n, int(lone.sum())))


def _medians(both: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for group, minutes in (("as recorded", both["recorded_min"]), ("from the onset", both["true_min"])):
        usable = minutes[minutes >= 0]
        low, high = intervals.median(usable) if len(usable) >= MIN_N else intervals.NONE
        rows.append(
            {
                "group": group,
                "n": len(usable),
                "median_min": usable.median(),
                "median_low": low,
                "median_high": high,
            }
        )
    return pd.DataFrame(rows)


def _minutes(later: pd.Series, earlier: pd.Series) -> pd.Series:
    return (later - earlier).dt.total_seconds() / 60


def _text(anchored: pd.DataFrame, both: pd.DataFrame, count: int, n: int, bounded: int) -> str:
    if not n:
        return "No incident: nothing to hold against the series."
    says = [f"A series shows when it began for {count} of {n} incidents ({count / n:.0%} anchored)."]
    late = anchored["start_late_min"].dropna()
    if len(late):
        sure = int((anchored["start_late_low"] > 0).sum())
        says.append(
            f"Their recorded start is {late.median():.0f} min after the onset in the middle; {sure} of {len(late)} "
            "are late by "
            "more than the onset's interval."
        )
        if len(both):
            says.append(
                f"Time to detect in the middle: {both['recorded_min'].median():.0f} min as recorded, "
                f"{both['true_min'].median():.0f} min from the onset ({len(both)} incidents)."
            )
    if bounded:
        says.append(
            f"For {bounded} without an onset the recorded time is a lower bound, unless the start was recorded too early."
        )
    return " ".join(says)


def _shares(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    found = rows.groupby(by, as_index=False, sort=True).agg(n=("present", "size"), present=("present", "sum"))
    bounds = [intervals.proportion(int(k), int(n)) for k, n in zip(found["present"], found["n"], strict=True)]
    return found.assign(
        share=found["present"] / found["n"], low=[b.low for b in bounds], high=[b.high for b in bounds]
    )


def _difference(row: dict[str, object]) -> intervals.Interval:
    """Newcombe (1998), Statistics in Medicine 17, 873-890, method 10: from the two score intervals."""
    halves = [(int(str(row[f"present_{h}"])), int(str(row[f"n_{h}"]))) for h in ("before", "after")]
    if min(n for _, n in halves) < MIN_N:
        return intervals.NONE
    (p0, low0, high0), (p1, low1, high1) = ((k / n, *intervals.proportion(k, n)) for k, n in halves)
    gap = p1 - p0
    return intervals.Interval(
        gap - ((p1 - low1) ** 2 + (high0 - p0) ** 2) ** 0.5,
        gap + ((high1 - p1) ** 2 + (p0 - low0) ** 2) ** 0.5,
    )
