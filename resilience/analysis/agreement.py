"""What reports state beside what their times give, year by year, and where the two disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import reporting
from .clocks import Clock, clock_of, durations, minutes, refuse_pooling

AGREE_MIN = 1.0
_WHOLE = ("restore", "mitigate")  # clocks that a whole timeline can be held against


@dataclass(frozen=True)
class Agreement:
    """`table`: per year (UTC; '(undated)'), n and median minutes as stated, from the clock's two moments, and from the
    first to the last line of the timeline, which includes what was done before and after. `disagreements`: incident_id,
    stated_min, derived_min, timeline_min, apart_min (stated - derived, else - timeline), more than a minute. `text`."""

    table: pd.DataFrame
    disagreements: pd.DataFrame
    clock: Clock
    text: str


def beside(incidents: pd.DataFrame, clock: str, timeline: pd.DataFrame | None = None) -> Agreement:
    """Stated and derived durations on `clock`, side by side and never mixed. `timeline`: the table of that name, whose
    span stands beside the clocks that run to the end of an incident.

    Raises RefusedError where kinds would be pooled, InputError for an unknown clock.
    """
    which = clock_of(clock)
    refuse_pooling(incidents, which, [])
    rows = incidents if "dated_at" in incidents else reporting.dated(incidents, timeline)
    began = reporting.begun(rows)
    stated = durations(rows, clock)["stated_min"].where(lambda v: np.isfinite(v) & (v >= 0))
    derived = ((rows[which.end] - rows[which.start]).dt.total_seconds() / 60).where(lambda v: v >= 0)
    found = pd.DataFrame(
        {
            "incident_id": rows["incident_id"],
            "year": began.dt.strftime("%Y").fillna("(undated)"),
            "stated_min": stated,
            "derived_min": derived,
            "timeline_min": rows["incident_id"]
            .map(_spans(timeline if which.name in _WHOLE else None))
            .astype(float),
        }
    )
    parts = []
    for year, part in found.groupby("year", sort=True):
        row: dict[str, object] = {"year": year, "n": len(part)}
        for name in ("stated", "derived", "timeline"):
            known = part[f"{name}_min"].dropna()
            row |= {f"n_{name}": len(known), f"median_{name}_min": known.median() if len(known) else np.nan}
        parts.append(row)
    other = found["derived_min"].fillna(found["timeline_min"])
    apart = (found["stated_min"] - other).where(lambda v: v.abs() > AGREE_MIN)
    off = found.assign(apart_min=apart)[apart.notna()].drop(columns="year").reset_index(drop=True)
    both = int((found["stated_min"].notna() & other.notna()).sum())
    spans = found["timeline_min"].dropna()
    whole = (
        f"; {len(spans)} have a timeline of two known moments or more (median first to last {minutes(spans.median())})"
        if len(spans)
        else ""
    )
    beside_each_other = (
        f"Of {both} that can be held against each other, {len(off)} disagree by more than a minute."
        if both
        else "None can be held against each other."
    )
    text = (
        f"{which.title}: {int(stated.notna().sum())} of {len(found)} reports state it (median {minutes(stated.median())}), "
        f"{int(derived.notna().sum())} give both moments (median {minutes(derived.median())}){whole}. "
        f"{beside_each_other}"
    )
    return Agreement(pd.DataFrame(parts), off, which, text)


def _spans(timeline: pd.DataFrame | None) -> pd.Series:
    """Minutes from the first to the last known moment of each timeline that has two."""
    if timeline is None or timeline.empty:
        return pd.Series(dtype=float)
    ends = timeline.dropna(subset="at").groupby("incident_id")["at"].agg(["min", "max", "count"])
    return ((ends["max"] - ends["min"]).dt.total_seconds() / 60)[ends["count"] > 1]
