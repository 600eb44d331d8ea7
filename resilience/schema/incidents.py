"""Incidents and what their reports tell."""

from __future__ import annotations

import pandas as pd

from .columns import Table, Time, column, maybe
from .words import AUDIENCES, COMPONENTS, DATE_FROM, DETECTED_BY, FACTOR_KINDS, KINDS, MOMENTS


class Incidents(Table):
    """One row per incident report, whoever wrote it. Drills and tests are here too, told apart by `kind`."""

    incident_id: str = column("Identifier stated by the report, else made from its file name")
    title: str = column("Title as written; untrusted text")
    kind: str = column("real incident, GameDay drill, or test of the tooling; never pooled", isin=KINDS)
    severity: str = maybe("Severity as written, e.g. SEV1")
    services: str = maybe("Affected services, sorted, joined by ', '; one row each in incident_services")
    teams: str = maybe("Teams involved, sorted, joined by ', '; one row each in incident_teams")
    environment: str = maybe("Where it happened, as written, e.g. production")
    started_at: Time = maybe("When the fault began", "UTC")
    detected_at: Time = maybe("When somebody or something noticed", "UTC")
    declared_at: Time = maybe("When it was declared an incident", "UTC")
    acknowledged_at: Time = maybe("When a responder took it", "UTC")
    mitigated_at: Time = maybe("When the impact stopped", "UTC")
    resolved_at: Time = maybe(
        "When it was over; null and no later time stated means still open or unknown", "UTC"
    )
    detected_by: str = column("Who noticed first", isin=DETECTED_BY)
    stated_detect_min: float = maybe(
        "Time to detect as the report states it (detected - started)", "min", ge=0
    )
    stated_repair_min: float = maybe("Time to repair as stated (mitigated - detected)", "min", ge=0)
    stated_restore_min: float = maybe("Time to restore as stated (resolved - started)", "min", ge=0)
    summary: str = maybe("The report's own summary; untrusted text")
    impact: str = maybe("What the report says of the impact; untrusted text")
    responders: pd.Int64Dtype = maybe("How many people responded, where the report says", "people", ge=0)
    roles: str = maybe("Roles that the report says were filled, sorted, joined by ', '; never names")
    text: str = column("The whole report as text, for classification; untrusted")
    simulated: bool = column("True where the report says of itself that it is simulated")
    source: str = column("Reader that made the row, e.g. markdown")
    source_uri: str = column("File it came from, relative to where reading began")


class IncidentServices(Table):
    """One row per incident and affected service. Counts per service overlap: an incident may touch several."""

    incident_id: str = column("Key of incidents")
    service: str = column("Service name")


class IncidentTeams(Table):
    """One row per incident and team involved."""

    incident_id: str = column("Key of incidents")
    team: str = column("Team name")


class Timeline(Table):
    """One row per line of a report's timeline, in its order; of a report without one, per sentence with a clock time."""

    incident_id: str = column("Key of incidents")
    position: int = column("Place in the report's timeline, from 0", ge=0)
    at: Time = maybe("When; null where date or zone is not known", "UTC")
    stated: str = maybe("The time as written")
    date_from: str = maybe("Where its date stands; null where none is known", isin=DATE_FROM)
    date_note: str = maybe(
        "What else the date rests on: a midnight passed, a year or an order of day and month"
    )
    moment: str = maybe("Lifecycle moment the line marks, where it says so", isin=MOMENTS)
    text: str = column("What happened; untrusted text")
    line: int = column("Line in the source file, from 1", ge=1)


class IncidentFactors(Table):
    """One row per contributing factor as the report lists it. The list comes first; a class is an index onto it."""

    incident_id: str = column("Key of incidents")
    position: int = column(
        "Place in the list, from 0; contributing factors, root causes, triggers, whys", ge=0
    )
    kind: str = column("Heading under which it stands", isin=FACTOR_KINDS)
    text: str = column("The factor as written; untrusted text")
    line: int = column("Line in the source file, from 1", ge=1)


class IncidentMessages(Table):
    """The first message to each audience, where a report's words leave no doubt to whom it went."""

    incident_id: str = column("Key of incidents")
    audience: str = column("Who was told", isin=AUDIENCES)
    at: Time = maybe("When; null where not known", "UTC")
    text: str = column("The line that says so; untrusted text")
    line: int = column("Line in the source file, from 1", ge=1)


class IncidentQuality(Table):
    """What each report states and what it does not, component by component. They are not added up to a score."""

    incident_id: str = column("Key of incidents")
    component: str = column("What a report may state", isin=COMPONENTS)
    present: bool = column("Whether this one states it so that it can be used")
    n: pd.Int64Dtype = maybe("How many, for components that are counted", "rows", ge=0)
    of: pd.Int64Dtype = maybe("Of how many, e.g. timeline rows with a known time of all", "rows", ge=0)
    origin: str = maybe("Where it stands, or why it is not known; may quote untrusted text")


class Actions(Table):
    """One row per follow-up action of a report."""

    incident_id: str = column("Key of incidents")
    position: int = column("Place in the report's list, from 0", ge=0)
    text: str = column("What is to be done; untrusted text")
    owner: str = maybe("Who, as written; pages show roles, not names")
    state: str = maybe("State as written, e.g. open, done")
    due: str = maybe("Due date as written")
    line: int = column("Line in the source file, from 1", ge=1)
