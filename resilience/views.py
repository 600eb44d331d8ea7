"""The tables that one question is asked of, as the command line and the notebooks read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from . import schema
from .errors import InputError
from .store import Store

REQUESTS = "trace.http.request.hits"
_REPORT_TABLES = {
    "failure_classes": ("incidents", "incident_services", "labels"),
    "time_to_restore": ("incidents",),
    "capacity": ("gamedays",),
}


def open_store(root: str, versions: str = "{}") -> Store:
    """The store at `root`, pinned to `versions` (JSON: table -> version); '{}' reads the newest of each."""
    return Store(root, json.loads(versions))


def incidents(store: Store, *, kind: str | None, by: str | None = None) -> pd.DataFrame:
    """Incidents of one kind, joined to what `by` groups them by: one row per service, or the class as `cause`."""
    rows = store.load("incidents")
    rows = rows if kind is None else rows[rows["kind"] == kind].reset_index(drop=True)
    if by == "service":
        return rows.merge(store.load("incident_services"), on="incident_id", how="left")
    if by == "cause":
        from .analysis import causes

        found = causes.classify(rows, store.load("labels")).table
        return rows.merge(found[["incident_id", "failure_class"]], on="incident_id").rename(
            columns={"failure_class": "cause"}
        )
    return rows


def traffic(store: Store, metric: str | None = None) -> tuple[str, float] | None:
    """Metric and interval (s, an hour at most) to profile; None where there is nothing.

    Where no metric is named it is Datadog's request count, or else the one with most points; the interval is the
    longest, since that is the one kept for years.
    """
    found = store.count("series", ("metric", "interval_s"))
    found = found[found["interval_s"] <= 3600]
    if found.empty:
        return None
    name = metric or (REQUESTS if (found["metric"] == REQUESTS).any() else found["metric"].iloc[0])
    intervals = found.loc[found["metric"] == name, "interval_s"]
    return None if intervals.empty else (str(name), float(intervals.max()))


def series_at(store: Store, metric: str, interval_s: float) -> pd.DataFrame:
    """Points of one metric at one interval. Raises InputError, naming what there is, where there are none."""
    rows = store.load("series", where={"metric": [metric]})
    found = rows[rows["interval_s"] == interval_s].reset_index(drop=True)
    if found.empty:
        there = ", ".join(f"{s:g} s" for s in sorted(rows["interval_s"].unique())) or "none of that name"
        raise InputError(
            f"There is no {metric} at {interval_s:g} s in the store (there is: {there}).",
            remedy="Choose another metric or interval, or ingest its series.",
        )
    return found


def gameday_tables(store: Store, gameday_id: str) -> dict[str, pd.DataFrame]:
    """Every table of one GameDay, and `series` of its probes and backlogs around its faults.

    Raises InputError where there is no such GameDay.
    """
    tables = {name: store.load(name, where={"gameday_id": [gameday_id]}) for name in schema.GAMEDAY_TABLES}
    if tables["gamedays"].empty:
        known = ", ".join(store.load("gamedays")["gameday_id"]) or "none"
        raise InputError(f"There is no GameDay {gameday_id!r} in the store.", remedy=f"GameDays: {known}.")
    ran, probes = tables["experiments"], tables["experiment_probes"]
    metrics = set(probes["metric"]) | set(ran["backlog_metric"].dropna())
    scopes = set(probes["scope"]) | set(ran["backlog_scope"].dropna())
    start = ran["fault_started_at"].min()
    if pd.isna(start) or not metrics:
        return {**tables, "series": schema.frame("series")}
    box = pd.Timedelta(minutes=float(ran["planned_min"].max()))
    last = max(ran["fault_started_at"].max() + box, ran["fault_ended_at"].max())
    around = (start - box - pd.Timedelta(hours=1), last + box + pd.Timedelta(hours=1))
    return {
        **tables,
        "series": store.load("series", where={"metric": metrics, "scope": scopes}, between=around),
    }


def report_tables(notebook: str, parameters: Mapping[str, Any], store: Store) -> dict[str, pd.DataFrame]:
    """The rows that a packaged notebook reads; what its report is made from and skipped by."""
    if notebook == "gameday":
        return gameday_tables(store, str(parameters["gameday_id"]))
    tables = {name: store.load(name) for name in _REPORT_TABLES[notebook]}
    if notebook == "capacity":
        tables["series"] = series_at(store, str(parameters["metric"]), float(parameters["interval_s"]))
    return tables
