"""The business calendar as the analyses use it: spans to leave out, times that are closed, hours with somebody at hand.

`calendar` has the columns of that table: kind, title, starts_at, ends_at (UTC, half-open; null where it repeats weekly),
weekdays ('0,1,2': Monday, Tuesday, Wednesday), from_min and until_min (minutes of the local day), services.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

CLOSED = ("freeze", "sale", "holiday")  # no experiment runs in these
UNLIKE = ("sale", "holiday", "enlarged")  # traffic or capacity then says nothing of an ordinary week

Span = tuple[pd.Timestamp, pd.Timestamp]


COLUMNS = ("kind", "title", "starts_at", "ends_at", "weekdays", "from_min", "until_min", "services")


def none() -> pd.DataFrame:
    """A calendar that states nothing: no freeze, no sale, no support hours."""
    found = pd.DataFrame(columns=list(COLUMNS), dtype=object)
    times = ["starts_at", "ends_at"]
    return found.astype(dict.fromkeys(times, "datetime64[us, UTC]"))


def spans(calendar: pd.DataFrame, kinds: Collection[str] = UNLIKE) -> list[Span]:
    """Start and end of every dated entry of the given kinds, whoever it concerns."""
    rows = calendar[calendar["kind"].isin(list(kinds)) & calendar["starts_at"].notna()]
    return list(zip(rows["starts_at"], rows["ends_at"], strict=True))


def unlike(
    calendar: pd.DataFrame,
    incidents: pd.DataFrame | None = None,
    experiments: pd.DataFrame | None = None,
) -> list[Span]:
    """What is left out of an ordinary week: sales, holidays, enlargements, incidents with both ends, experiments."""
    found = spans(calendar)
    for rows, first, last in (
        (incidents, "started_at", "resolved_at"),
        (experiments, "fault_started_at", "fault_ended_at"),
    ):
        if rows is None:
            continue
        ends = rows[last].fillna(rows["mitigated_at"]) if "mitigated_at" in rows else rows[last]
        both = rows[first].notna() & (ends > rows[first])
        found += zip(rows.loc[both, first], ends[both], strict=True)
    return found


def closed(
    calendar: pd.DataFrame, targets: Collection[str], starts: pd.DatetimeIndex, ends: pd.DatetimeIndex
) -> list[str | None]:
    """For each span why it is closed to experiments on `targets`, or None."""
    rows = calendar[calendar["kind"].isin(CLOSED) & calendar["starts_at"].notna()]
    reasons: list[str | None] = [None] * len(starts)
    for row in rows.itertuples():
        named = _services(row.services)
        if named and not named & set(targets):
            continue
        for i in np.flatnonzero((starts < row.ends_at) & (ends > row.starts_at)):
            reasons[i] = reasons[i] or f"{row.kind}: {row.title}"
    return reasons


def support(
    calendar: pd.DataFrame, starts: pd.DatetimeIndex, ends: pd.DatetimeIndex, zone: str
) -> np.ndarray | None:
    """Whether each span lies wholly within one stretch of support hours; None where the calendar states none."""
    rows = calendar[calendar["kind"] == "support"]
    if rows.empty:
        return None
    inside = np.zeros(len(starts), dtype=bool)
    first = starts.tz_convert(ZoneInfo(zone))
    for row in rows.itertuples():
        if pd.notna(row.starts_at):
            inside |= np.asarray((starts >= row.starts_at) & (ends <= row.ends_at))
            continue
        days = [int(d) for d in str(row.weekdays).split(",")]
        begin = first.hour * 60 + first.minute
        length = (ends - starts) / pd.Timedelta(minutes=1)
        inside |= np.asarray(
            first.day_of_week.isin(days) & (begin >= row.from_min) & (begin + length <= row.until_min)
        )
    return inside


def _services(named: Any) -> set[str]:
    return set() if named is None or pd.isna(named) else set(str(named).split(", "))
