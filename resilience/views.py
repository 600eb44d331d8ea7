"""The tables that one question is asked of, as the command line and the notebooks read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from . import schema
from .analysis import corrections, linking
from .errors import InputError
from .store import Store

_FINE_S = 300  # longest interval, in seconds, whose series can anchor an incident
REQUESTS = "trace.http.request.hits"
_REPORT_TABLES = {
    "failure_classes": ("incidents", "incident_links", "incident_factors", "labels", "deployments", "corrections"),
    "time_to_restore": (
        "incidents", "incident_links", "incident_messages", "incident_quality", "gamedays", "experiments",
        "experiment_events", "corrections",
    ),
    "next_experiments": (
        "incidents",
        "incident_links",
        "labels",
        "actions",
        "corrections",
        "service_edges",
        "slo_history",
        *schema.GAMEDAY_TABLES,
    ),
    "capacity": ("gamedays", "corrections"),
}  # fmt: skip


def open_store(root: str, versions: str = "{}") -> Store:
    """The store at `root`, pinned to `versions` (JSON: table -> version); '{}' reads the newest of each."""
    return Store(root, json.loads(versions))


def table(store: Store, name: str, **chosen: Any) -> pd.DataFrame:
    """`store.load` with the corrections in the store applied. Raises InputError where one no longer fits."""
    rows = store.load(name, **chosen)
    return corrections.apply(name, rows, store.load("corrections"), whole=not chosen)


def merged(store: Store) -> linking.Merged:
    """One row per real incident, whoever told it, and for each field of a linked one the source that won it."""
    return linking.merge(table(store, "incidents"), store.load("incident_links"))


def incidents(store: Store, *, kind: str | None, by: str | None = None) -> pd.DataFrame:
    """Incidents of one kind, joined to what `by` groups them by: one row per service, or the class as `cause`.

    Rows of several sources that are the same incident are one; `linked_ids` names the others.
    """
    rows = merged(store).incidents
    rows = rows if kind is None else rows[rows["kind"] == kind].reset_index(drop=True)
    if by == "service":
        return rows.assign(service=rows["services"].str.split(", ")).explode("service", ignore_index=True)
    if by == "cause":
        from .analysis import causes

        found = causes.classify(rows, labels(store)).table
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


def onsets(store: Store, rows: pd.DataFrame) -> pd.DataFrame:
    """When the series of its services first moved, per incident of `rows`: what `anchors.of_incidents` finds.

    Read are the metrics that are kept at five minutes or less, as an hour cannot tell when a start was written down; their
    hourly points are read too, without which the rise of every morning would look like an onset.
    """
    from .analysis import anchors

    return anchors.of_incidents(rows, store.load("incident_services"), _anchoring(store)).table


def _anchoring(store: Store) -> pd.DataFrame:
    there = store.count("series", ("metric", "interval_s"))
    fine = there.loc[there["interval_s"] <= _FINE_S, "metric"].unique()
    return table(store, "series", where={"metric": list(fine)}) if len(fine) else schema.frame("series")


def labels(store: Store) -> pd.DataFrame:
    """Human labels under the id that a linked incident is counted by; of two by one person, the later."""
    return counted_by(store, table(store, "labels"))


def counted_by(store: Store, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of the table labels, such as those of a file, under the id that a linked incident is counted by."""
    found = merged(store).incidents
    linked = found[["incident_id", "linked_ids"]].dropna()
    counted = {other: row.incident_id for row in linked.itertuples() for other in row.linked_ids.split(", ")}
    rows = rows.assign(incident_id=rows["incident_id"].replace(counted)).sort_values(
        "labelled_at", kind="stable"
    )
    keys = list(schema.key("labels"))
    return rows.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True)


def series_at(store: Store, metric: str, interval_s: float) -> pd.DataFrame:
    """Points of one metric at one interval. Raises InputError, naming what there is, where there are none."""
    rows = table(store, "series", where={"metric": [metric]})
    found = rows[rows["interval_s"] == interval_s].reset_index(drop=True)
    if found.empty:
        there = ", ".join(f"{s:g} s" for s in sorted(rows["interval_s"].unique())) or "none of that name"
        raise InputError(
            f"There is no {metric} at {interval_s:g} s in the store (there is: {there}).",
            remedy="Choose another metric or interval, or ingest its series.",
        )
    return found


def recorded(store: Store, services: Iterable[str] | None = None) -> pd.DataFrame:
    """Every point whose scope names a service, or one of `services`. Raises InputError where there is none."""
    from .analysis import movement

    scopes = store.count("series", ("scope",))["scope"]
    of = {str(scope): movement.service_of(str(scope)) for scope in scopes}
    wanted = None if services is None else set(services)
    chosen = [scope for scope, name in of.items() if name and (wanted is None or name in wanted)]
    if not chosen:
        raise InputError(
            "No series in the store names a service in its scope.",
            remedy="Ingest series whose scope holds service:NAME (docs/series-files.md).",
        )
    return table(store, "series", where={"scope": chosen})


def incident_services(incidents: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `incidents` (linked ones count once) and service."""
    rows = incidents[["incident_id", "services"]].dropna()
    rows = rows.assign(service=rows["services"].str.split(", ")).explode("service", ignore_index=True)
    return rows[["incident_id", "service"]].drop_duplicates(ignore_index=True)


def gameday_tables(store: Store, gameday_id: str) -> dict[str, pd.DataFrame]:
    """Every table of one GameDay, and `series` of its probes and backlogs around its faults.

    Raises InputError where there is no such GameDay.
    """
    tables = {name: table(store, name, where={"gameday_id": [gameday_id]}) for name in schema.GAMEDAY_TABLES}
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
        "series": table(store, "series", where={"metric": metrics, "scope": scopes}, between=around),
    }


def report_tables(notebook: str, parameters: Mapping[str, Any], store: Store) -> dict[str, pd.DataFrame]:
    """The rows that a packaged notebook reads; what its report is made from and skipped by."""
    if notebook == "gameday":
        return {
            **gameday_tables(store, str(parameters["gameday_id"])),
            "corrections": store.load("corrections"),
        }
    tables = {name: store.load(name) for name in _REPORT_TABLES[notebook]}
    if parameters.get("anchored"):
        tables |= {"series": _anchoring(store), "incident_services": store.load("incident_services")}
    if notebook == "next_experiments" and (usual := traffic(store, REQUESTS)):
        tables["series"] = series_at(store, *usual)
    if notebook == "capacity":
        tables["series"] = series_at(store, str(parameters["metric"]), float(parameters["interval_s"]))
    return tables
