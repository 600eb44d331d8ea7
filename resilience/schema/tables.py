"""Every table by name: its model and its key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pandera.pandas as pa

from . import estate, gamedays, incidents, review

TABLES: dict[str, tuple[type[pa.DataFrameModel], tuple[str, ...]]] = {
    "incidents": (incidents.Incidents, ("incident_id",)),
    "incident_services": (incidents.IncidentServices, ("incident_id", "service")),
    "incident_teams": (incidents.IncidentTeams, ("incident_id", "team")),
    "timeline": (incidents.Timeline, ("incident_id", "position")),
    "incident_factors": (incidents.IncidentFactors, ("incident_id", "position")),
    "incident_messages": (incidents.IncidentMessages, ("incident_id", "audience")),
    "incident_quality": (incidents.IncidentQuality, ("incident_id", "component")),
    "actions": (incidents.Actions, ("incident_id", "position")),
    "problems": (review.Problems, ("problem_id",)),
    "series": (estate.Series, ("metric", "scope", "interval_s", "rollup", "at")),
    "gamedays": (gamedays.GameDays, ("gameday_id",)),
    "gameday_roles": (gamedays.GameDayRoles, ("gameday_id", "role")),
    "gameday_scores": (gamedays.GameDayScores, ("gameday_id", "position")),
    "gameday_surveys": (gamedays.GameDaySurveys, ("gameday_id", "question", "moment")),
    "gameday_notes": (gamedays.GameDayNotes, ("gameday_id", "experiment_key", "kind", "position")),
    "experiments": (gamedays.Experiments, ("gameday_id", "experiment_key")),
    "experiment_targets": (gamedays.ExperimentTargets, ("gameday_id", "experiment_key", "service")),
    "experiment_votes": (gamedays.ExperimentVotes, ("gameday_id", "experiment_key", "option")),
    "experiment_probes": (gamedays.ExperimentProbes, ("gameday_id", "experiment_key", "probe")),
    "experiment_events": (gamedays.ExperimentEvents, ("gameday_id", "experiment_key", "position")),
    "labels": (review.Labels, ("incident_id", "labelled_by")),
    "dependency_verdicts": (review.DependencyVerdicts, ("service", "follower")),
    "incident_names": (review.IncidentNames, ("incident_id", "name")),
    "incident_links": (review.IncidentLinks, ("incident_id", "other_id")),
    "corrections": (review.Corrections, ("target", "row_key", "column_name")),
    "events": (estate.Events, ("event_id",)),
    "monitors": (estate.Monitors, ("monitor_id",)),
    "slo_history": (estate.SloHistory, ("slo_id", "month_at")),
    "service_edges": (estate.ServiceEdges, ("edge_id",)),
    "services": (estate.Services, ("service",)),
    "deployments": (estate.Deployments, ("deployment_id",)),
    "calendar": (estate.Calendar, ("source", "kind", "position")),
}

GAMEDAY_TABLES = tuple(name for name in TABLES if name.startswith(("gameday", "experiment")))


def key(table: str) -> tuple[str, ...]:
    """Columns that identify a row of `table`."""
    return TABLES[table][1]


def dtypes(table: str) -> dict[str, Any]:
    """Column name -> pandas dtype of `table`, in order."""
    return {name: column.dtype.type for name, column in columns(table).items()}


@cache
def columns(table: str) -> dict[str, Any]:
    """Column name -> pandera's column of `table`, in order. pandera makes them anew each time it is asked."""
    with _pandas_only():
        return dict(TABLES[table][0].to_schema().columns)


@contextmanager
def _pandas_only() -> Iterator[None]:
    """Where dask is installed, pandera imports its data frames for a second to know their types; ours are of pandas."""
    unasked = "dask.dataframe" not in sys.modules
    if unasked:
        sys.modules["dask.dataframe"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if unasked:
            del sys.modules["dask.dataframe"]
