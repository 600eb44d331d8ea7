"""Services and what was measured, deployed and agreed about them."""

from __future__ import annotations

import pandas as pd

from .columns import Table, Time, column, maybe
from .words import CALENDAR_KINDS, ROLLUPS


class Series(Table):
    """Metric points in long form. A gap stays a null or an absent row, never a zero."""

    metric: str = column("Metric name")
    scope: str = column("What it is measured on: sorted tags joined by ',', e.g. service:search")
    at: Time = column("Left edge of the interval", "UTC")
    value: float = maybe("Value; its unit is in `unit`", "see unit")
    interval_s: float = column("Length of the interval", "s", gt=0)
    rollup: str = column("How points were aggregated into the interval", isin=ROLLUPS)
    unit: str = maybe("Unit of the value")
    source: str = column("Reader and file that made the row")


class Events(Table):
    """One row per event of the monitoring system: deploys, alerts, changes."""

    event_id: str = column("Identifier given by the source")
    at: Time = column("When", "UTC")
    title: str = maybe("Title as written; untrusted text")
    text: str = maybe("Message as written; untrusted text")
    status: str = maybe("Status as written, e.g. error")
    service: str = maybe("Service, from the tags or as stated")
    tags: str = maybe("Sorted tags, joined by ','")
    source: str = column("System it was fetched from")


class Monitors(Table):
    """One row per monitor, as it stood when it was last fetched."""

    monitor_id: str = column("Identifier given by the source")
    name: str = column("Name as written; untrusted text")
    kind: str = maybe("Type of the monitor as written, e.g. query alert")
    query: str = maybe("What it watches, as written")
    state: str = maybe("State as written, e.g. OK, Alert, No Data")
    state_since: Time = maybe("When it entered that state", "UTC")
    service: str = maybe("Service, from the tags")
    tags: str = maybe("Sorted tags, joined by ','")
    created_at: Time = maybe("When it was made", "UTC")
    modified_at: Time = maybe("When its definition was last changed", "UTC")
    source: str = column("System it was fetched from")


class SloHistory(Table):
    """One row per service level objective and calendar month (UTC); a month without data has no value."""

    slo_id: str = column("Identifier given by the source")
    month_at: Time = column("First moment of the month", "UTC")
    until_at: Time = column("End of what was measured; before the month's end where that lies ahead", "UTC")
    name: str = column("Name as written; untrusted text")
    kind: str = maybe("metric, monitor or time_slice, as written")
    service: str = maybe("Service, from the tags")
    target_percent: float = maybe("Target of its first time frame", "percent")
    value_percent: float = maybe("Share of good events or time; null where there is no data", "percent")
    error: str = maybe("Why there is no value, as the source says it")
    source: str = column("System it was fetched from")


class ServiceEdges(Table):
    """One row per relation of services: of the catalog, declared or discovered, or a call that a graph file holds."""

    edge_id: str = column("Identifier given by the source")
    from_kind: str = column("Kind of the first, e.g. service, api, team")
    from_name: str = column("Name of the first")
    relation: str = column("Relation as written, e.g. RelationTypeDependsOn")
    to_kind: str = column("Kind of the second")
    to_name: str = column("Name of the second")
    origin: str = maybe("Where the catalog has it from, e.g. schema or discovery")
    source: str = column("System it was fetched from")


class Services(Table):
    """One row per service that a graph file describes. Services are in other tables too; this one says what they are."""

    service: str = column("Service name")
    team: str = maybe("Team that owns it")
    criticality: pd.Int64Dtype = maybe("1 is most critical, as the file's owner counts", ge=1)
    kind: str = maybe("Kind as written, e.g. page, office, machine")
    source: str = column("File it came from")


class Deployments(Table):
    """One row per deployment of a service."""

    deployment_id: str = column("Identifier given by the source")
    service: str = column("Service name")
    started_at: Time = column("When it began", "UTC")
    finished_at: Time = maybe("When it ended", "UTC")
    environment: str = maybe("Where, as written")
    version: str = maybe("Version, as written")
    team: str = maybe("Team, as written")
    kind: str = maybe("release, rollback, migration or the like, as written")
    source: str = column("System it was fetched from")


class Calendar(Table):
    """One row per entry of data/calendar.yml: when nothing is tried, when traffic is no ordinary week, who is at hand."""

    source: str = column("File it came from")
    kind: str = column("What holds then", isin=CALENDAR_KINDS)
    position: int = column("Place in its list, from 0", ge=0)
    title: str = column("Title as written")
    starts_at: Time = maybe("First moment; null where it repeats weekly", "UTC")
    ends_at: Time = maybe("First moment after it; null where it repeats weekly", "UTC")
    weekdays: str = maybe(
        "Weekdays on which it repeats, sorted, 0 is Monday, joined by ','; null where it has dates"
    )
    from_min: float = maybe("Local time of the day from which it holds", "min", ge=0, le=1440)
    until_min: float = maybe("Local time of the day until which it holds", "min", ge=0, le=1440)
    services: str = maybe("Services it concerns, sorted, joined by ', '; null: all")
    line: int = column("Line in the file, from 1", ge=1)
