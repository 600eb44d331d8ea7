"""The business calendar as the analyses use it: spans to leave out, times that are closed, hours with somebody at hand.

`calendar` has the columns of that table: kind, title, starts_at, ends_at (UTC, half-open; null where it repeats weekly),
weekdays ('0,1,2': Monday, Tuesday, Wednesday), from_min and until_min (minutes of the local day), services.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

CLOSED = ("freeze", "sale", "holiday")  # no experiment runs in these
UNLIKE = ("sale", "holiday", "enlarged")  # traffic or capacity then says nothing of an ordinary week

Span = tuple[pd.Timestamp, pd.Timestamp]


@dataclass(frozen=True)
class LeftOut:
    """`spans`: service -> spans that were no ordinary weeks for it, '' for every service. `text` counts them."""

    spans: dict[str, list[Span]]
    text: str


def unlike(
    calendar: pd.DataFrame,
    incidents: pd.DataFrame | None = None,
    experiments: pd.DataFrame | None = None,
    kinds: Collection[str] = UNLIKE,
) -> LeftOut:
    """What is left out of an ordinary week: sales, holidays, enlargements (or `kinds` of these), incidents, experiments.

    `incidents`: rows of that table, each left out of the services it names, until its impact stopped. `experiments`: rows
    of that table with `service` (a row per target), left out while the fault lasted. What has no start, no end or no
    service cannot be left out, and is counted.
    """
    found: dict[str, list[Span]] = {}
    dated = calendar[calendar["kind"].isin(kinds) & calendar["starts_at"].notna()]
    for row in dated.itertuples():
        for service in _services(row.services) or {""}:
            found.setdefault(service, []).append((row.starts_at, row.ends_at))
    says = [f"{n} {_named(kind, n)}" for kind in kinds if (n := int((dated["kind"] == kind).sum()))]
    cannot = []
    if incidents is not None:
        rows = incidents.assign(ends=incidents["mitigated_at"].fillna(incidents["resolved_at"]))
        both = (rows["ends"] > rows["started_at"]) & rows["services"].notna()
        for row in rows[both].itertuples():
            for service in _services(row.services):
                found.setdefault(service, []).append((row.started_at, row.ends))
        n = int(both.sum())
        says += [f"{n} incident{'s' * (n != 1)}"] if n else []
        cannot += [f"{int((~both).sum())} incident(s)"] if not both.all() else []
    if experiments is not None:
        ran = experiments[
            experiments["fault_started_at"].notna() & (experiments["environment"] == "production")
        ]
        both = ran["fault_ended_at"] > ran["fault_started_at"]
        for row in ran[both].itertuples():
            found.setdefault(row.service, []).append((row.fault_started_at, row.fault_ended_at))
        n = len(ran[both].drop_duplicates(["gameday_id", "experiment_key"]))
        says += [f"{n} GameDay experiment{'s' * (n != 1)} on production"] if n else []
        cannot += [f"{int((~both).sum())} experiment target(s)"] if not both.all() else []
    text = (
        f"Left out as no ordinary weeks: {', '.join(says)}."
        if says
        else "Nothing is known that would be left out."
    )
    if cannot:
        text += f" {' and '.join(cannot)} without start, end or service could not be left out."
    if dated.empty and "sale" in kinds:
        text += " No calendar names a sale or a holiday, so those count as ordinary."
    return LeftOut(found, text)


def _named(kind: str, n: int) -> str:
    return (
        {"enlarged": "time of enlarged capacity"}.get(kind, kind)
        if n == 1
        else {"enlarged": "times of enlarged capacity"}.get(kind, f"{kind}s")
    )


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
