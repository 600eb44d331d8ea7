"""What a monitor on a series would have done: whom it would have told before somebody did, and how often it cried wolf."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from . import baseline, movement, onset

MIN_DAYS = 56  # of a recording: within the first weeks nothing is usual yet
AFTER_H = 24  # an incident of unknown end explains alerts for so long
YEAR_US = 365.25 * baseline.DAY_US


@dataclass(frozen=True)
class Monitors:
    """One row per series that was recorded for eight weeks or more, the most useful first.

    Columns: metric, scope, service, interval_s, years (of values), n_incidents (of the service, with a start and a
    detection; those in which the series has a value), n_told (alert after the start and before the detection), saved_min
    (median minutes by which it told those earlier, at the end of the interval that told), n_late (alert only after the
    detection), n_silent, n_alerts, n_wolf (alerts outside every incident of the service), wolf_per_year. An alert that
    nobody wrote up may be a true one.
    """

    table: pd.DataFrame
    text: str


@dataclass(frozen=True)
class _Work:
    part: movement.Part
    starts: np.ndarray
    detected: np.ndarray
    ends: np.ndarray


def judge(
    series: pd.DataFrame | movement.Recorded,
    incidents: pd.DataFrame,
    incident_services: pd.DataFrame,
    *,
    threshold: float = onset.THRESHOLD,
    executor: Executor | None = None,
) -> Monitors:
    """Judge a monitor at score `threshold` on every series of `series` whose scope names a service.

    `incidents` (rows of that table; real ones) with their `incident_services`. Starts are the stated ones: give a table
    whose started_at is the onset to judge against that. Of a metric and scope the longest recorded interval is used.
    Running counts, which only rise, are left out and counted. Raises InputError where an incident stands twice, RefusedError
    where no series is long enough.
    """
    if incidents["incident_id"].duplicated().any():
        raise InputError("An incident stands twice.", remedy="Give one row per incident.")
    spans = _spans(incidents, incident_services)
    names, work, counters = [], [], 0
    for (metric, scope), part in _longest(series).items():
        service = movement.service_of(scope)
        if service is None:
            continue
        if baseline.resets(part[1]):
            counters += 1
            continue
        of = spans.get(service, np.zeros((0, 3), dtype=np.int64))
        known = part[0][~np.isnan(part[1])]
        seen = np.searchsorted(known + part[2], of[:, 0], "right") < np.searchsorted(known, of[:, 2], "right")
        inside = seen & (of[:, 0] >= part[0][0] + 28 * baseline.DAY_US) & (of[:, 0] <= part[0][-1])
        names.append((metric, scope, service, part[2] / 1e6))
        work.append(_Work(part, *of[inside].T))
    if not work:
        raise RefusedError(
            f"No series of a service was recorded for {MIN_DAYS} days"
            + (f"; of running counts there are {counters}." if counters else "."),
            remedy="Ingest hourly series of two months or more.",
        )
    run = partial(_one, threshold=threshold)
    rows = list(map(run, work) if executor is None else executor.map(run, work, chunksize=16))
    table = pd.DataFrame(
        [name + row for name, row in zip(names, rows, strict=True)],
        columns=[
            *(
                "metric",
                "scope",
                "service",
                "interval_s",
                "years",
                "n_incidents",
                "n_told",
                "saved_min",
                "n_late",
            ),
            *("n_silent", "n_alerts", "n_wolf", "wolf_per_year"),
        ],
    ).astype({"metric": "str", "scope": "str", "service": "str"})
    table = table.sort_values(
        ["n_told", "wolf_per_year", "metric", "scope"], ascending=[False, True, True, True], ignore_index=True
    )
    return Monitors(table, _text(table) + (f" Running counts left out: {counters}." if counters else ""))


def _spans(incidents: pd.DataFrame, incident_services: pd.DataFrame) -> dict[str, np.ndarray]:
    """Service -> (incidents, 3): start, detection and end in microseconds, of those that state the first two."""
    known = incidents.dropna(subset=["started_at", "detected_at"])
    known = known[known["detected_at"] >= known["started_at"]]
    end = known["resolved_at"].fillna(known["mitigated_at"])
    end = end.fillna(known["detected_at"] + pd.Timedelta(hours=AFTER_H))
    times = pd.DataFrame(
        {
            "incident_id": known["incident_id"],
            **{
                name: baseline.microseconds(column)
                for name, column in (
                    ("start", known["started_at"]),
                    ("told", known["detected_at"]),
                    ("end", end),
                )
            },
        }
    )
    both = incident_services.merge(times, on="incident_id")
    return {
        str(service): rows[["start", "told", "end"]].to_numpy(dtype=np.int64)
        for service, rows in both.groupby("service", sort=True)
    }


def _longest(series: pd.DataFrame | movement.Recorded) -> dict[tuple[str, str], movement.Part]:
    """Of each metric and scope the interval that was recorded over the longest time, of eight weeks at least."""
    found: dict[tuple[str, str], movement.Part] = {}
    for name, part in movement.recorded(series):
        held = _held(part)  # a few hours here and there are no monitor
        if held >= MIN_DAYS * baseline.DAY_US and (name not in found or held > _held(found[name])):
            found[name] = part
    return found


def _held(part: movement.Part) -> int:
    """Microseconds of which there is a value."""
    return int((~np.isnan(part[1])).sum()) * part[2]


def _one(work: _Work, threshold: float) -> tuple[float, int, int, float, int, int, int, int, float]:
    time, value, interval = work.part
    alerts = onset.alerts(value, time.astype("datetime64[us]"), threshold=threshold)
    at = baseline.microseconds(alerts["at"])
    told = at + interval
    within = (at[:, None] + interval > work.starts[None, :]) & (at[:, None] <= work.ends[None, :])
    first = np.where(within, told[:, None], np.iinfo(np.int64).max).min(
        axis=0, initial=np.iinfo(np.int64).max
    )
    seen = within.any(axis=0)
    early = seen & (first < work.detected)
    saved = (work.detected[early] - first[early]) / 6e7
    wolf = int((~within.any(axis=1)).sum())
    years = _held(work.part) / YEAR_US
    return (
        years,
        len(work.starts),
        int(early.sum()),
        float(np.median(saved)) if len(saved) else np.nan,
        int((seen & ~early).sum()),
        int((~seen).sum()),
        len(at),
        wolf,
        wolf / years,
    )


def _text(table: pd.DataFrame) -> str:
    some = table[table["n_told"] > 0]
    head = f"{len(table)} series, recorded for {table['years'].median():.1f} years in the median"
    wolf = f"Over all, an alert cried wolf {table['wolf_per_year'].median():.1f} times a year in the median"
    if some.empty:
        return f"{head}: none would have told of an incident before somebody did. {wolf}."
    best = some.iloc[0]
    return (
        f"{head}: {len(some)} would have told of an incident before somebody did. {best['metric']} of {best['service']} "
        f"would have told of {best['n_told']} of {best['n_incidents']}, by {best['saved_min']:.0f} min in the median, and "
        f"cried wolf {best['wolf_per_year']:.1f} times a year. {wolf}; some of those may be incidents that nobody wrote up."
    )
