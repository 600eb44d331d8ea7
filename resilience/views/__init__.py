"""The tables that one question is asked of, as the command line and the notebooks read them."""

from __future__ import annotations

from .gamedays import (
    gameday_context,
    gameday_tables,
    gameday_titles,
    services_around,
    surprise_edges,
    watched,
)
from .reports import report_tables
from .signals import (
    LATENCY,
    REQUESTS,
    asked_for,
    critical,
    headroom,
    left_out,
    onsets,
    recorded,
    safe_hours,
    series_at,
    traffic,
    unusual,
)
from .tables import (
    classes,
    classified,
    counted_by,
    incident_services,
    incidents,
    labels,
    merged,
    open_store,
    table,
)

__all__ = [
    "LATENCY",
    "REQUESTS",
    "asked_for",
    "classes",
    "classified",
    "counted_by",
    "critical",
    "gameday_context",
    "gameday_tables",
    "gameday_titles",
    "headroom",
    "incident_services",
    "incidents",
    "labels",
    "left_out",
    "merged",
    "onsets",
    "open_store",
    "recorded",
    "report_tables",
    "safe_hours",
    "series_at",
    "services_around",
    "surprise_edges",
    "table",
    "traffic",
    "unusual",
    "watched",
]
