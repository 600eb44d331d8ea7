"""How far a fault reached: which services moved while it was there, against the fault-free hours of the same day.

A GameDay is one fault after another, so ordinary service is found before the first, after the last, and between two of
them once the earlier has worn off. A fault that cannot be judged is left out, with the reason; one reason is
that those hours were calmer than the time around the fault, so that what is merely busier would count as moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..errors import InputError, RefusedError
from . import movement, placing
from .steady_state import fault_window

COLUMNS = ("experiment_key", "service", "metric", "at", "earliest", "latest")
AROUND = pd.Timedelta(hours=6)
"""How long before the first and after the last fault ordinary service is looked for."""
_LEAD = pd.Timedelta(minutes=10)  # just before a window: where each series stood
_SETTLE = pd.Timedelta(minutes=15)  # after a fault whose end was recorded: queues drain, caches fill
CALMER = 1.25  # how much more the middle series may vary around a fault than in the fault-free hours,
_DOUBT = 0.4  # and more where few series tell: as this over the root of their number
_BESIDE = pd.Timedelta(minutes=20)  # before and after a fault: how much the series vary there
_NO_END = pd.Timedelta(hours=1)  # after one whose end nobody recorded


@dataclass(frozen=True)
class Reach:
    """`moved`: one row per experiment, service and metric that left its band (`COLUMNS`; times in UTC).

    `watched`: how many services could be judged, per experiment. `why`: why none could be, per experiment of the others.
    `chance`: how likely any of them would have been said to move without a fault, per experiment. `apart`: services that had
    an incident of their own on that day and are not looked at.
    """

    moved: pd.DataFrame
    watched: dict[str, int]
    why: dict[str, str] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    apart: tuple[str, ...] = ()


NONE = Reach(pd.DataFrame(columns=list(COLUMNS)), {})


def reach(experiments: pd.DataFrame, series: pd.DataFrame, incidents: pd.DataFrame | None = None) -> Reach:
    """Which services of `series` (rows of that table) moved in each fault of `experiments`, rows of one GameDay.

    `incidents`: real ones (started_at, services, comma-separated): whoever had one on that day was not in ordinary service.
    Looked at is the fault, or as many intervals from its start as `movement.moved` needs where it was shorter and the next
    had not begun. What is usual is taken from the fault-free time within `AROUND`.
    """
    ran = experiments[experiments["fault_started_at"].notna()].sort_values("fault_started_at")
    spans = [(row, *span) for row in ran.itertuples() if (span := fault_window(row)) and span[1] > span[0]]
    quiet = list(fault_free(spans))
    named = series["scope"].map({s: movement.service_of(str(s)) for s in series["scope"].unique()})
    apart = _apart(incidents, quiet) & set(named.dropna())
    series = series[named.notna().to_numpy() & ~named.isin(apart).to_numpy()]
    near = series[(series["at"] >= quiet[0][0]) & (series["at"] < quiet[-1][1])] if quiet else series[:0]
    steps, faults = _steps(near), [(start, end) for _, start, end in spans]
    watched: dict[str, int] = {}
    why: dict[str, str] = {}
    chance: dict[str, float] = {}
    rows: list[tuple[object, ...]] = []
    for number, (row, start, end) in enumerate(spans):
        key = row.experiment_key
        following = spans[number + 1][1] if number + 1 < len(spans) else None
        if near.empty:
            why[key] = "no series of any service was recorded around it"
            continue
        varied, limit = _varied(steps, (start, end), faults, quiet)
        if varied > limit:
            why[key] = (
                f"the fault-free hours of that day were calmer: around it the series varied {varied:.1f} times as much"
            )
            continue
        end = _long_enough(start, end, following, float(near["interval_s"].min()))
        try:
            judged = movement.moved(near, (start, end), quiet, lead=_LEAD)
        except (InputError, RefusedError) as error:
            why[key] = _lower(error.what)
            continue
        found = judged.table
        known = found[found["moved"].notna() & found["service"].notna()]
        if known.empty:
            why[key] = f"of {len(found)} series none could be judged: {found['reason'].mode().iloc[0]}"
            continue
        watched[key], chance[key] = int(known["service"].nunique()), judged.alpha
        rows += [
            (key, m.service, m.metric, m.onset_at, m.earliest, m.latest)
            for m in known[known["moved"].astype(bool)].itertuples()
        ]
    return Reach(pd.DataFrame(rows, columns=list(COLUMNS)), watched, why, chance, tuple(sorted(apart)))


def fault_free(spans: list[tuple[Any, pd.Timestamp, pd.Timestamp]]) -> Iterator[movement.Span]:
    """The time around and between faults (row of the experiment, start, end), in order of their starts.

    None lies between two faults of which the earlier has no recorded end: nobody knows when ordinary service was back.
    """
    if not spans:
        return
    free: pd.Timestamp | None = spans[0][1] - AROUND
    back = free  # when ordinary service is certainly back
    for row, start, end in spans:
        if free is not None and free < start:
            yield free, start
        known = pd.notna(row.fault_ended_at)
        back = max(back, end + (_SETTLE if known else _NO_END))
        free = back if known else None
    last = max(end for _, _, end in spans)
    if back < last + AROUND:
        yield back, last + AROUND


def _apart(incidents: pd.DataFrame | None, quiet: list[movement.Span]) -> set[str]:
    if incidents is None or not quiet:
        return set()
    near = incidents[incidents["started_at"].between(quiet[0][0], quiet[-1][1])]["services"].dropna()
    return {name.strip() for listed in near for name in str(listed).split(",")}


def _steps(series: pd.DataFrame) -> pd.DataFrame:
    """How far each series went from one point to the next: metric and scope by number, at, step (absolute)."""
    finest = series.groupby(["metric", "scope"])["interval_s"].transform("min")
    rows = series[series["interval_s"] == finest].sort_values(["metric", "scope", "at"], kind="stable")
    groups = rows.groupby(["metric", "scope"], sort=False)
    return pd.DataFrame(
        {"at": rows["at"], "series": groups.ngroup(), "step": groups["value"].diff().abs()}
    ).dropna(subset="step")


def _varied(
    steps: pd.DataFrame, fault: movement.Span, faults: list[movement.Span], quiet: list[movement.Span]
) -> tuple[float, float]:
    """How much more the middle series varied around `fault` than in `quiet`, and how much more it may.

    By the middle series and its middle step, so that neither what a fault does to some nor one jump counts.
    """
    near = steps["at"].between(fault[0] - _BESIDE, fault[1] + _BESIDE) & ~_within(steps["at"], faults)
    calm = _within(steps["at"], quiet)
    around, usual = (steps[rows].groupby("series")["step"] for rows in (near, calm))
    enough = (around.size() >= placing.OF) & (usual.median() > 0).reindex(
        around.size().index, fill_value=False
    )
    ratio = (around.median() / usual.median())[enough[enough].index]
    return (float(ratio.median()), CALMER + _DOUBT / len(ratio) ** 0.5) if len(ratio) else (1.0, CALMER)


def _within(at: pd.Series, spans: list[movement.Span]) -> pd.Series:
    found = pd.Series(False, index=at.index)
    for start, end in spans:
        found |= (at >= start) & (at < end)
    return found


def _long_enough(
    start: pd.Timestamp, end: pd.Timestamp, following: pd.Timestamp | None, interval_s: float
) -> pd.Timestamp:
    """`end`, or later where the fault was too short to be judged and the next had not begun."""
    enough = start + pd.Timedelta(
        seconds=(placing.OF + 1) * interval_s
    )  # one more, as it may begin within one
    return max(end, enough if following is None else min(enough, following))


def _lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")
