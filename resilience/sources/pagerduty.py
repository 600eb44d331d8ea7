"""PagerDuty: saved replies with incidents, with log entries, and the raw rows of its analytics.

The three name the same incidents under the same id, so they are linked, each with the moments it knows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .tracked import Collector, moment, named, under

CLOCKS: dict[str, str | None] = {
    "started": None,
    "detected": "created_at",
    "declared": None,
    "acknowledged": "acknowledgements[].at",
    "mitigated": None,
    "resolved": "resolved_at, else last_status_change_at of a resolved one",
}
LOG_CLOCKS: dict[str, str | None] = {
    "started": None,
    "detected": "trigger_log_entry.created_at",
    "declared": None,
    "acknowledged": "acknowledge_log_entry.created_at",
    "mitigated": None,
    "resolved": "resolve_log_entry.created_at",
}
ANALYTICS_CLOCKS: dict[str, str | None] = {
    **CLOCKS,
    "acknowledged": "created_at + seconds_to_first_ack",
    "resolved": "created_at + seconds_to_resolve",
}
_NUMBER = re.compile(r"^\[#\d{1,12}\] ")  # how the log's summary of an incident begins
_LONGEST_S = 5 * 366 * 86400


def incidents(records: list[Any], uri: str) -> Collector:
    """Incidents as the API lists them. `acknowledgements` empties when an incident is resolved: see log entries."""
    out = Collector("pagerduty", uri, CLOCKS)
    for place, record in enumerate(records):
        if (key := _key(out, record, place)) is None:
            continue
        subject = f"pagerduty:{key}"
        taken = under(record, "acknowledgements")
        acks = [
            out.moment(under(one, "at"), "acknowledgements", subject)
            for one in (taken if isinstance(taken, list) else [])
        ]
        row = {
            **_described(out, record, subject),
            "detected_at": out.moment(under(record, "created_at"), "created_at", subject),
            "acknowledged_at": min((at for at in acks if at), default=None),
            "resolved_at": out.moment(under(record, "resolved_at"), "resolved_at", subject),
        }
        if row["resolved_at"] is None and under(record, "status") == "resolved":  # exports of older accounts
            changed = under(record, "last_status_change_at")
            row["resolved_at"] = out.moment(changed, "last_status_change_at", subject)
        if row["resolved_at"] is None and under(record, "status") == "resolved":
            message = "status is resolved but resolved_at is not set"
            out.count("missing", message, "Save the log entries too.", "resolved_at")
        names = [under(record, "id"), under(record, "html_url")]
        out.add(key, row, names=names, modified=under(record, "updated_at"))
    out.finish("PagerDuty")
    return out


def log_entries(records: list[Any], uri: str) -> Collector:
    """One incident per `incident` that entries name: first trigger, first acknowledgement, last resolution.

    An incident that was opened anew after its last resolution is not resolved.
    """
    out = Collector("pagerduty_log", uri, LOG_CLOCKS)
    entries: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for place, record in enumerate(records):
        key = out.identity(under(record, "incident", "id"), place)
        if key is not None:
            entries[key].append(record)
    for key, mine in entries.items():
        subject, about = f"pagerduty_log:{key}", under(mine[0], "incident")
        at: dict[str, list[datetime]] = defaultdict(list)
        for entry in mine:
            found = out.moment(entry.get("created_at"), "created_at", subject)
            if found:
                at[str(entry.get("type"))].append(found)
        said = (out.line(entry.get("summary"), "summary", subject) for entry in mine[:1000])
        title = out.line(
            under(about, "title") or _NUMBER.sub("", str(named(about) or "")), "incident", subject
        )
        resolved = max(at["resolve_log_entry"], default=None)
        if (
            resolved is not None
            and max(at["reopen_log_entry"] + at["trigger_log_entry"], default=resolved) > resolved
        ):
            out.count("missing", "opened anew after its last resolution", "Nothing.", "resolved_at")
            resolved = None
        row = {
            "title": title,
            "services": out.items(_first(mine, "service"), "services", subject),
            "teams": out.items(_first(mine, "teams"), "teams", subject),
            "detected_at": min(at["trigger_log_entry"], default=None),
            "acknowledged_at": min(at["acknowledge_log_entry"], default=None),
            "resolved_at": resolved,
            "text": "\n".join([title or subject, *(line for line in said if line)]),
        }
        out.add(key, row, names=[key, under(about, "html_url")])
    out.finish("PagerDuty's log")
    return out


def analytics(records: list[Any], uri: str, time_zone: object = None) -> Collector:
    """Raw analytics rows. Seconds are added to `created_at`; 0 or null seconds are not stated, never zero.

    `time_zone` is what the reply states beside its rows: times without a zone of their own are meant in it.
    """
    zone = _zone(time_zone)
    out = Collector("pagerduty_analytics", uri, ANALYTICS_CLOCKS)
    for place, record in enumerate(records):
        if (key := _key(out, record, place)) is None:
            continue
        subject = f"pagerduty_analytics:{key}"
        detected = out.moment(under(record, "created_at"), "created_at", subject, zone)
        row = {
            "title": out.line(under(record, "title") or under(record, "description"), "description", subject),
            "severity": out.line(under(record, "priority_name"), "priority_name", subject),
            "services": out.items(under(record, "service_name"), "services", subject),
            "teams": out.items(under(record, "team_name"), "teams", subject),
            "detected_at": detected,
            "acknowledged_at": _after(out, detected, record, "seconds_to_first_ack", subject),
            "resolved_at": _after(out, detected, record, "seconds_to_resolve", subject)
            or moment(under(record, "resolved_at"), zone),
        }
        out.add(key, row, names=[under(record, "id")])
    out.finish("PagerDuty's analytics")
    return out


def _key(out: Collector, record: Any, place: int) -> str | None:
    key = under(record, "id")
    return out.identity(under(record, "incident_number") if key is None else key, place)


def _described(out: Collector, record: Mapping[str, Any], subject: str) -> dict[str, Any]:
    title = out.line(record.get("title") or record.get("summary"), "title", subject)
    urgency = out.line(record.get("urgency"), "urgency", subject)
    body = out.text(under(record, "body", "details"), "body", subject)
    return {
        "title": title,
        "severity": out.line(named(record.get("priority")), "priority", subject),
        "services": out.items(record.get("service"), "services", subject),
        "teams": out.items(record.get("teams"), "teams", subject),
        "text": "\n\n".join(part for part in (title, body, urgency and f"Urgency: {urgency}") if part),
    }


def _zone(stated: object) -> ZoneInfo | None:
    try:
        return ZoneInfo(stated) if isinstance(stated, str) and len(stated) < 60 else None
    except (KeyError, ValueError, OSError):
        return None


def _first(entries: list[Mapping[str, Any]], name: str) -> Any:
    return next((entry[name] for entry in entries if entry.get(name)), None)


def _after(
    out: Collector, start: datetime | None, record: Mapping[str, Any], field: str, subject: str
) -> datetime | None:
    seconds = record.get(field)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= _LONGEST_S:
        out.tell(
            "unreadable",
            f"{field} of {subject} is {repr(seconds)[:60]}, not a number of seconds.",
            "Export it again.",
            subject=subject,
            field=field,
        )
        return None
    if seconds == 0:
        out.count(
            "missing",
            f"{field} is 0, which may mean unset; it was not used",
            "Save the log entries too.",
            field,
        )
        return None
    return None if start is None else start + timedelta(seconds=seconds)
