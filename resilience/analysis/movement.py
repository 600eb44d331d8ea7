"""Which of many series moved in a window, and which first? The threshold belongs to the whole family that is searched.

One series in a thousand always moves by chance. So the family's largest movement in the window is compared with the
family's largest movement in fault-free windows of the same length, each measured against the time just before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from . import baseline, placing

ALPHA = 0.05
LEAD_POINTS = 30  # intervals before a window that say where a series stood, at least
MIN_COVERAGE = 0.5  # share of a window's intervals that must hold a value
LEAST = 0.01  # of what a series stands at: smaller steps, such as memory's, are real and do not matter
OWN = 3.0  # robust standard deviations below which no series' own fault-free movement is taken to lie
MIN_WINDOWS = 3  # fault-free windows that a series must have to be judged at all

Span = tuple[pd.Timestamp, pd.Timestamp]
Part = tuple[np.ndarray, np.ndarray, int]  # times in microseconds, values, interval in microseconds
Recorded = list[tuple[tuple[str, str], Part]]  # metric and scope, and what was recorded of it at one interval


@dataclass(frozen=True)
class Moved:
    """What moved in a window. `table`: one row per metric and scope.

    Columns: metric, scope, service (the tag of that name, else null), interval_s, moved (null where not judged), level (the
    largest threshold at which its gate still passed, in units of the largest in its own fault-free windows), threshold
    (what the family must exceed), onset_at, earliest, latest (UTC, null unless moved), alarm_at (when the gate passed: a
    monitor would have told then), kind, strength (robust standard deviations, negative for a fall), reason (why not judged),
    order (1 is first; look at `earliest` and `latest` before believing it). `windows`: fault-free windows compared with;
    `alpha`: the chance that any series of the family would be said to have moved in such a window.
    """

    table: pd.DataFrame
    text: str
    threshold: float
    windows: int
    alpha: float

    @property
    def services(self) -> pd.DataFrame:
        """One row per service: moved, onset_at (first of its series), metric (of that series), strength (largest), order."""
        rows = self.table.dropna(subset="service")
        found = []
        for service, part in rows.groupby("service", sort=True):
            yes = part[part["moved"].fillna(False).astype(bool)].sort_values(["onset_at", "metric"])
            judged = bool(part["moved"].notna().any())
            first = yes.iloc[0] if len(yes) else None
            found.append(
                {
                    "service": service,
                    "moved": bool(len(yes)) if judged else None,
                    "onset_at": None if first is None else first["onset_at"],
                    "metric": None if first is None else first["metric"],
                    "strength": np.nan
                    if first is None
                    else yes.loc[yes["strength"].abs().idxmax(), "strength"],
                }
            )
        columns = ["service", "moved", "onset_at", "metric", "strength"]
        table = pd.DataFrame(found, columns=columns).astype({"moved": "boolean"})
        table["onset_at"] = pd.to_datetime(table["onset_at"], utc=True).astype("datetime64[us, UTC]")
        table["order"] = table["onset_at"].rank(method="min").astype("Int64")
        return table.sort_values(["order", "service"], na_position="last", ignore_index=True)


@dataclass(frozen=True)
class _One:
    """One series against the windows: `levels` of the fault-free ones and the asked one (last), `z` of the asked one from

    `first` on, and where it began (microseconds)."""

    levels: np.ndarray
    z: np.ndarray
    first: int
    interval: int
    onset: tuple[int, int, int] | None
    kind: str | None
    strength: float
    reason: str | None


def moved(
    series: pd.DataFrame,
    window: Span,
    reference: Span | Sequence[Span],
    *,
    alpha: float = ALPHA,
    lead: pd.Timedelta | None = None,
    executor: Executor | None = None,
) -> Moved:
    """Which series of `series` (rows of that table) moved within `window`, against the fault-free time `reference`.

    `window`: aware start and end; `reference`: one or several such spans without faults, which may lie before or after it.
    They are cut into windows of the same length, each after a `lead` (default: as long as the window, at least 30
    intervals) whose median says where the series stood. A series moved where its gate (three of five points on one side)
    exceeds the family's: the 1 - `alpha` quantile, over fault-free windows, of the largest gate of all series; with fewer
    than 1 / `alpha` windows it is their maximum, and the `alpha` that this can hold is returned. Each series counts in its
    own usual size over those windows, so that a rough one does not hide the others. Of each metric and scope the shortest
    interval is used. `executor` spreads series over processes.
    Raises InputError for spans that are none, RefusedError where no fault-free window fits.
    """
    start, end = _span(window)
    spans = [reference] if _is_span(reference) else list(reference)
    quiet = [_span(span) for span in spans]  # type: ignore[arg-type]
    if series.empty:
        raise InputError("There is no series to search.", remedy="Ingest series of that time.")
    keys, parts = split(series)
    ahead = LEAD_POINTS * max(p[2] for p in parts) if lead is None else round(lead.total_seconds() * 1e6)
    ahead = max(end - start, ahead) if lead is None else ahead
    starts = _matched(start, end, quiet, ahead)
    if not len(starts):
        raise RefusedError(
            f"No fault-free window of {(end - start) / 6e7:g} min with {ahead / 6e7:g} min before it fits the reference.",
            remedy="Give more fault-free time, or a shorter lead.",
        )
    work = partial(_measure, starts=np.r_[starts, start], length=end - start, lead=ahead)
    found = list(map(work, parts) if executor is None else executor.map(work, parts, chunksize=32))
    return _judge(keys, [p[2] for p in parts], found, alpha, len(starts))


def split(series: pd.DataFrame) -> tuple[pd.DataFrame, list[Part]]:
    """Metrics and scopes, in order, and of each the times (microseconds), values and interval at its shortest interval.

    Of several rollups at that interval the first by name is used. Values that are not finite are null.
    """
    metric, metrics = pd.factorize(series["metric"], sort=True)
    scope, scopes = pd.factorize(series["scope"], sort=True)
    rollup, _ = pd.factorize(series["rollup"], sort=True)
    interval = np.round(series["interval_s"].to_numpy(dtype=float) * 1e6).astype(np.int64)
    time, value = baseline.microseconds(series["at"]), baseline.values_of(series["value"])
    order = np.lexsort((time, rollup, interval, scope, metric))
    metric, scope, rollup, interval = metric[order], scope[order], rollup[order], interval[order]
    time, value = time[order], value[order]
    new = np.r_[True, (np.diff(metric) != 0) | (np.diff(scope) != 0)]
    other = new | np.r_[True, (np.diff(interval) != 0) | (np.diff(rollup) != 0)]
    starts, cuts = np.flatnonzero(new), np.r_[np.flatnonzero(other), len(order)]
    ends = cuts[np.searchsorted(cuts, starts, side="right")]
    keys = pd.DataFrame({"metric": metrics[metric[starts]], "scope": scopes[scope[starts]]})
    spans = zip(starts, ends, strict=True)
    return keys, [(time[low:high], value[low:high], int(interval[low])) for low, high in spans]


def recorded(series: pd.DataFrame | Recorded) -> Recorded:
    """`series` as a list, from the shortest interval on, each in order of metric and scope."""
    if not isinstance(series, pd.DataFrame):
        return series
    found: Recorded = []
    for _, rows in series.groupby("interval_s", sort=True):
        keys, parts = split(rows)
        names = zip(keys["metric"], keys["scope"], strict=True)
        found += zip(names, parts, strict=True)
    return found


def _is_span(given: object) -> bool:
    return isinstance(given, Sequence) and len(given) == 2 and not isinstance(given[0], Sequence)


def _span(given: Span) -> tuple[int, int]:
    low, high = (pd.Timestamp(t) for t in given)
    if low.tzinfo is None or high.tzinfo is None or not low < high:
        raise InputError(
            f"{given[0]} to {given[1]} is no span.", remedy="Give aware times, start before end."
        )
    return int(low.as_unit("us").asm8.astype(np.int64)), int(high.as_unit("us").asm8.astype(np.int64))


def _matched(start: int, end: int, quiet: list[tuple[int, int]], lead: int) -> np.ndarray:
    """Starts of windows as long as the asked one that lie, lead and all, within fault-free time; none overlap."""
    length = end - start
    found: list[int] = []
    for low, high in sorted(quiet):
        at = max(low + lead, found[-1] + length if found else low + lead)
        while at + length <= high:
            if at + length <= start or at >= end:
                found.append(at)
                at += length
            else:
                at = end
    return np.array(found, dtype=np.int64)


def _measure(part: tuple[np.ndarray, np.ndarray, int], starts: np.ndarray, length: int, lead: int) -> _One:
    """Gate levels of one series in every window; the last of `starts` is the one asked about."""
    time, value, interval = part
    points = max(round(length / interval), 1)
    none = np.full(len(starts), np.nan)

    def unjudged(reason: str) -> _One:
        return _One(none, np.zeros(0), int(starts[-1]), interval, None, None, np.nan, reason)

    if points < placing.OF:
        return unjudged(f"the window holds {points} of its intervals; {placing.OF} are needed")
    if (np.diff(time) == 0).any():
        return unjudged("points stand twice at the same time")
    if baseline.resets(value):
        return unjudged("it is a running count, which only rises")
    row = min(int(np.searchsorted(time, starts[-1])), len(time) - 1)
    begin = (
        int(starts[-1]) + int(time[row] - starts[-1]) % interval
    )  # where its intervals begin within the minute
    residual = baseline.deseasoned(value, time, interval)
    before = max(round(lead / interval), 1)
    grid = _grid(time, residual, starts, interval, before, points)
    known = (~np.isnan(grid[:, before:])).mean(axis=1)
    with np.errstate(invalid="ignore"):
        centre = baseline.middle(grid[:, :before].T, max(round(MIN_COVERAGE * before), 1))
    deviation = grid[:, before:] - centre[:, None]
    usable = (known >= MIN_COVERAGE) & ~np.isnan(centre)
    if (fit_for := int(usable[:-1].sum())) < MIN_WINDOWS:
        return unjudged(f"{fit_for} fault-free windows were recorded; {MIN_WINDOWS} are needed")
    if not usable[-1]:
        return unjudged("too little was recorded in the window or just before it")
    calm = deviation[:-1][usable[:-1]]
    calm = calm[~np.isnan(calm)]
    _, spread = placing.usual(np.r_[calm, -calm])  # around where the series stood just before
    spread = max(spread, LEAST * abs(float(np.nanmedian(value))), 1e-12)
    z = deviation / spread
    levels = np.where(usable, placing.gate_levels(z).max(axis=1), np.nan)
    reference = ((grid[-1, :before] - centre[-1]) / spread)[~np.isnan(grid[-1, :before])]
    asked = np.r_[(grid[-1, :before] - centre[-1]) / spread, z[-1]]
    top = float(levels[-1])
    gate = placing.gated(z[-1], max(min(3.0, 0.999 * top), top / 3))
    if gate is None:
        return _One(levels, z[-1], begin, interval, None, None, np.nan, None)
    fit = placing.place(asked, before + gate, reference)
    at = begin + (np.array([fit.first, fit.low, fit.high]) - before) * interval
    return _One(
        levels,
        z[-1],
        begin,
        interval,
        (int(at[0]), int(at[1]) - interval, int(at[2]) + interval),
        fit.kind,
        fit.height,
        None,
    )


def _grid(
    time: np.ndarray, value: np.ndarray, starts: np.ndarray, interval: int, before: int, points: int
) -> np.ndarray:
    """(windows, before + points): the values by whole intervals from each start; null where nothing was recorded."""
    found = np.full((len(starts), before + points), np.nan)
    first = starts - before * interval
    low, high = np.searchsorted(time, first), np.searchsorted(time, starts + points * interval)
    count = high - low
    row = np.repeat(np.arange(len(starts)), count)
    at = np.arange(count.sum()) + np.repeat(low - np.cumsum(count) + count, count)
    found[row, (time[at] - first[row]) // interval] = value[at]
    return found


def _judge(keys: pd.DataFrame, intervals: list[int], found: list[_One], alpha: float, windows: int) -> Moved:
    levels = np.stack([one.levels for one in found])
    judged = np.array([one.reason is None for one in found])
    own = np.maximum(_largest_other(levels), OWN)
    level = levels / own
    calm = np.where(np.isnan(level[:, :-1]), -np.inf, level[:, :-1])
    maxima = np.sort(calm.max(axis=0))
    maxima = maxima[np.isfinite(maxima)] if judged.any() else np.array([np.inf])
    rank = int(np.ceil((1 - alpha) * (len(maxima) + 1)))
    held = alpha if rank <= len(maxima) else 1 / (len(maxima) + 1)
    threshold = float(maxima[min(rank, len(maxima)) - 1])
    yes = judged & (level[:, -1] > threshold)
    at = [
        one.onset if says and one.onset else (None, None, None) for one, says in zip(found, yes, strict=True)
    ]
    limits = threshold * own[:, -1]  # the family's threshold in each series' own z
    alarms = [
        _alarm(one, limit) if says else None for one, limit, says in zip(found, limits, yes, strict=True)
    ]
    table = pd.DataFrame(
        {
            "metric": keys["metric"].to_numpy(),
            "scope": keys["scope"].to_numpy(),
            "service": [service_of(scope) for scope in keys["scope"]],
            "interval_s": np.array(intervals) / 1e6,
            "moved": pd.array(
                [bool(y) if j else None for y, j in zip(yes, judged, strict=True)], dtype="boolean"
            ),
            "level": level[:, -1],
            "threshold": np.where(judged, threshold, np.nan),
            **{
                name: pd.to_datetime([row[i] for row in at], unit="us", utc=True).as_unit("us")
                for i, name in enumerate(("onset_at", "earliest", "latest"))
            },
            "alarm_at": pd.to_datetime(alarms, unit="us", utc=True).as_unit("us"),
            "kind": [one.kind if says else None for one, says in zip(found, yes, strict=True)],
            "strength": [one.strength if says else np.nan for one, says in zip(found, yes, strict=True)],
            "reason": [one.reason for one in found],
        }
    ).astype({"metric": "str", "scope": "str", "service": "str", "kind": "str", "reason": "str"})
    table["order"] = table["onset_at"].rank(method="min").astype("Int64")
    table = table.sort_values(["order", "metric", "scope"], na_position="last", ignore_index=True)
    return Moved(table, _text(table, windows, held), threshold, windows, held)


def _largest_other(levels: np.ndarray) -> np.ndarray:
    """Per series and window, the largest level in the fault-free windows (all but the last) other than that window."""
    calm = np.where(np.isnan(levels[:, :-1]), -np.inf, levels[:, :-1])
    ranked = np.sort(calm, axis=1)
    most, next_most = ranked[:, -1:], ranked[:, -2:-1]
    others = np.where(np.arange(calm.shape[1]) == calm.argmax(axis=1)[:, None], next_most, most)
    return np.concatenate([others, most], axis=1)


def _alarm(one: _One, limit: float) -> int | None:
    """End of the interval in which the gate passed: the third point of five beyond `limit` on one side."""
    found = []
    for side in (one.z, -one.z):
        beyond = np.flatnonzero(np.nan_to_num(side, nan=-np.inf) > limit)
        near = np.flatnonzero(
            beyond[placing.GATE - 1 :] - beyond[: len(beyond) - placing.GATE + 1] < placing.OF
        )
        if len(near):
            found.append(int(beyond[near[0] + placing.GATE - 1]))
    return one.first + (min(found) + 1) * one.interval if found else None


def service_of(scope: str) -> str | None:
    """The service that a scope names, such as search in 'env:prod,service:search'; None where it names none."""
    for tag in scope.split(","):
        name, _, value = tag.partition(":")
        if name == "service" and value:
            return value
    return None


def owner(scope: str) -> str:
    """Who is meant by a scope: its service, else the scope itself."""
    return service_of(scope) or scope


def how_many(scopes: Iterable[str]) -> str:
    """'3 services' where each of `scopes` names one, else '3 series'."""
    every = list(scopes)
    word = "service" if all(service_of(scope) for scope in every) else "series"
    return f"{len(every)} {word}{'s' if word == 'service' and len(every) != 1 else ''}"


def _text(table: pd.DataFrame, windows: int, alpha: float) -> str:
    judged = int(table["moved"].notna().sum())
    yes = table[table["moved"].fillna(False).astype(bool)]
    left = len(table) - judged
    if not judged:
        return f"None of {len(table)} series could be judged."
    sure = (
        f"in a fault-free window of this length any of them would have with a chance of about {100 * alpha:.0f} % "
        f"({windows} such windows)"
    )
    if yes.empty:
        says = f"None of {judged} series moved; {sure}."
    else:
        first = yes.iloc[0]
        says = (
            f"{len(yes)} of {judged} series moved, first {first['metric']} of {first['scope']} from "
            f"{first['onset_at']:%H:%M} UTC ({first['earliest']:%H:%M} to {first['latest']:%H:%M}); {sure}."
        )
    return says + (f" {left} could not be judged." if left else "")
