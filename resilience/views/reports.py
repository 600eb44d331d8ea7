"""What each packaged notebook reads: what its report is made from, and skipped by where none of it changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .. import schema
from ..store import Store
from .gamedays import gameday_context, gameday_tables, services_around
from .signals import LATENCY, REQUESTS, anchoring, asked_for, series_at, traffic
from .tables import table

_REPORT_TABLES = {
    "failure_classes": ("incidents", "incident_links", "incident_factors", "labels", "deployments", "corrections"),
    "time_to_restore": (
        "incidents", "incident_links", "incident_messages", "incident_quality", "gamedays", "experiments",
        "experiment_events", "timeline", "corrections",
    ),
    "next_experiments": (
        "incidents",
        "incident_links",
        "labels",
        "actions",
        "corrections",
        "service_edges",
        "services",
        "slo_history",
        "calendar",
        "dependency_verdicts",
        *schema.GAMEDAY_TABLES,
    ),
    "capacity": (
        "gamedays", "experiments", "experiment_targets", "incidents", "incident_links", "calendar", "slo_history",
        "service_edges", "services", "corrections",
    ),
}  # fmt: skip
_GAMEDAY_READS = ("incidents", "incident_links", "incident_services", "labels", "corrections")


def report_tables(notebook: str, parameters: Mapping[str, Any], store: Store) -> dict[str, pd.DataFrame]:
    """The rows that a packaged notebook reads; what its report is made from and skipped by."""
    if notebook == "gameday":
        day = str(parameters["gameday_id"])
        own, near = gameday_tables(store, day), gameday_context(store, day)
        both = {
            name: pd.concat([own[name], near[name]]).drop_duplicates(
                list(schema.key(name)), ignore_index=True
            )
            for name in own
        }
        read = {name: store.load(name) for name in _GAMEDAY_READS}
        return {**near, **both, **read}
    tables = {name: store.load(name) for name in _REPORT_TABLES[notebook]}
    if parameters.get("anchored"):
        tables |= {"series": anchoring(store), "incident_services": store.load("incident_services")}
    if notebook == "next_experiments":
        usual = traffic(store, REQUESTS)
        rows = [schema.frame("series") if usual is None else series_at(store, *usual)]
        rows += [services_around(store, ran) for _, ran in tables["experiments"].groupby("gameday_id")]
        tables["series"] = pd.concat(rows, ignore_index=True).drop_duplicates(
            list(schema.key("series")), ignore_index=True
        )
    if notebook == "capacity":
        from ..analysis import headroom as carried

        metric = str(parameters["metric"])
        response = carried.objective(str(parameters.get("objective", "1.5x")))[0] or LATENCY
        rows = table(store, "series", where={"metric": sorted({metric, response})})
        tables["series"] = rows[rows["interval_s"] == asked_for(store, metric)[1]].reset_index(drop=True)
    return tables
