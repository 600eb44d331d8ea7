"""Incident objects of Datadog's API (v2) as rows of `incidents`: saved replies and `sync` share this mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .tracked import Collector, Row, clean, objects, under

SOURCE = "datadog"
CLOCKS: dict[str, str | None] = {
    "started": "customer_impact_start",
    "detected": "detected",
    "declared": "declared",
    "acknowledged": None,
    "mitigated": "customer_impact_end",
    "resolved": "resolved",
}
_FOUND_BY = {"customer": "customer", "employee": "colleague", "monitor": "monitor"}
_NOBODY = (None, "", "unknown", "other")
_STATED = (
    ("stated_detect_min", "time_to_detect", "customer_impact_start", "detected"),
    ("stated_repair_min", "time_to_repair", "detected", "customer_impact_end"),
)
"""Column, the field that states it in seconds, and the two moments that it lies between."""


@dataclass(frozen=True)
class Beside:
    """What other calls say of one incident: objects of its impacts and of its attachments."""

    impacts: list[Any] = field(default_factory=list)
    attachments: list[Any] = field(default_factory=list)


def collect(
    given: Iterable[Any],
    uri: str,
    beside: Mapping[str, Beside] | None = None,
    services: Mapping[str, str] | None = None,
) -> Collector:
    """Rows from incident objects (`{"type": "incidents", "id", "attributes"}`), of saved replies or of a sync.

    `uri` is what the rows name as their source; where `beside` is given, what was fetched names its uuid instead.
    `incident_id` is `datadog:PUBLIC_ID`. An object met twice (pages that
    moved) is kept once, as last modified. No object is lost: one without a usable id is a problem row, an unknown
    field is ignored, a broken one is null.

    started = start of the customer impact, mitigated = its end; where the incident has none, those of the impacts in
    `beside` (by the incident's uuid). A `time_to_*` of 0 means unset; `time_to_resolve` counts from creation, which is
    no clock of ours, and is left out. `services` renames services. `names` holds what other sources may call an
    incident: its slug, its uuid, its address; `timeline` its time in each state, which only the search knows.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    out = Collector(SOURCE, uri, CLOCKS)
    for place, one in enumerate(given):
        record = one["data"] if isinstance(one, Mapping) and isinstance(one.get("data"), Mapping) else one
        attributes = under(record, "attributes")
        public = under(attributes, "public_id")
        key = out.identity(under(record, "id") if public is None else public, place)
        if key is None:
            continue
        if key not in newest or _modified(record) >= _modified(newest[key]):
            newest[key] = record
    for key, record in newest.items():
        _add(
            out,
            key,
            record,
            None if beside is None else beside.get(str(record.get("id")), Beside()),
            services or {},
        )
    out.finish("Datadog")
    return out


def of_reply(reply: Any) -> list[Any]:
    """Incident objects of a saved reply: list, search or a single incident; empty where it holds none."""
    data = under(reply, "data")
    found = under(data, "attributes", "incidents")
    if isinstance(found, list):
        return found
    return data if isinstance(data, list) else [data] if isinstance(data, Mapping) else []


def _modified(record: Mapping[str, Any]) -> str:
    """Datadog writes all times in UTC, so the text sorts as the time does."""
    value = under(record, "attributes", "modified")
    return value if isinstance(value, str) else ""


def _add(
    out: Collector, key: str, record: Mapping[str, Any], beside: Beside | None, services: Mapping[str, str]
) -> None:
    attributes = under(record, "attributes")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    subject = f"{SOURCE}:{key}"

    def value(name: str) -> Any:
        return under(attributes, "fields", name, "value")

    severity = out.line(attributes.get("severity") or value("severity"), "severity", subject)
    title = out.line(attributes.get("title"), "title", subject)
    summary = out.text(value("summary"), "summary", subject)
    cause = out.text(value("root_cause"), "root_cause", subject)
    scope = out.text(attributes.get("customer_impact_scope"), "customer_impact_scope", subject)
    parts = [
        title,
        summary,
        scope,
        cause and f"## Root cause\n\n{cause}",
        *_more(out, beside or Beside(), subject),
    ]
    at = {
        name: None if source is None else out.moment(attributes.get(source), source, subject)
        for name, source in CLOCKS.items()
    }
    stated = _durations(out, attributes, at, subject)
    _from_impacts(out, at, (beside or Beside()).impacts, subject)
    if at["resolved"] is None and attributes.get("state", value("state")) == "resolved":
        out.count("missing", "state is resolved but resolved is not set", "Set it in Datadog.", "resolved_at")
    row = {
        "title": title,
        "kind": _kind(out, attributes.get("is_test"), subject),
        "severity": None if severity and severity.upper() == "UNKNOWN" else severity,
        "services": out.items(_renamed(value("services"), services), "services", subject),
        "teams": out.items(value("teams"), "teams", subject),
        **{f"{name}_at": moment for name, moment in at.items()},
        "detected_by": _found_by(out, value("detection_method"), subject),
        **stated,
        "summary": summary,
        "text": "\n\n".join(part for part in parts if part),
    }
    slug = value("slug") or (f"IR-{key}" if key.isdigit() else None)
    names = [slug, record.get("id"), f"datadog/incidents/{key}"]
    out.add(key, row, names=names, modified=attributes.get("modified"))
    if beside is not None:
        out.incidents[-1]["source_uri"] = f"datadog incident {out.text(str(record.get('id')), 'id', subject)}"
    out.timeline += _states(out, attributes, subject)


def _more(out: Collector, beside: Beside, subject: str) -> list[str | None]:
    """Texts of impacts and attachments."""
    said = [
        out.text(under(one, "attributes", "description"), "description", subject) for one in beside.impacts
    ]
    for one in beside.attachments:
        detail = under(one, "attributes", "attachment")
        said += [out.text(under(detail, name), name, subject) for name in ("title", "documentUrl", "content")]
    return said


def _from_impacts(out: Collector, at: dict[str, Any], impacts: list[Any], subject: str) -> None:
    starts, ends = (
        [out.moment(under(one, "attributes", name), name, subject) for one in impacts]
        for name in ("start_at", "end_at")
    )
    at["started"] = at["started"] or min((t for t in starts if t is not None), default=None)
    if at["mitigated"] is None and ends and None not in ends:  # an impact without an end goes on
        at["mitigated"] = max(t for t in ends if t is not None)


def _durations(
    out: Collector, attributes: Mapping[str, Any], at: Mapping[str, datetime | None], subject: str
) -> dict[str, float | None]:
    """Minutes that Datadog states, told where its own moments say something else."""
    moment = {source: at[name] for name, source in CLOCKS.items() if source}
    found: dict[str, float | None] = {}
    for column, name, first, last in _STATED:
        seconds = out.number(attributes.get(name), name, subject)
        found[column] = seconds / 60 if seconds and seconds > 0 else None
        start, end = moment[first], moment[last]
        if not seconds or start is None or end is None:
            continue
        derived = (end - start).total_seconds()
        if abs(derived - seconds) > 60:
            out.tell(
                "contradiction",
                f"{name} of {subject} is {seconds:g} s, its moments are {derived:g} s apart.",
                "Correct the one that is wrong in Datadog, or add a correction (docs/sources.md).",
                subject=subject,
                field=column,
            )
    return found


def _renamed(services: Any, names: Mapping[str, str]) -> Any:
    if isinstance(services, list):
        return [names.get(one, one) if isinstance(one, str) else one for one in services]
    return services


def _states(out: Collector, attributes: Mapping[str, Any], subject: str) -> list[Row]:
    """Time in each state as lines of the timeline."""
    states = under(attributes, "field_analytics", "state")
    spans = []
    for state, detail in states.items() if isinstance(states, Mapping) else ():
        for span in objects(under(detail, "spans")):
            seconds = out.number(span.get("start"), "start", subject)
            if seconds is not None and 946_684_800 <= seconds < 4_102_444_800:
                spans.append((datetime.fromtimestamp(seconds, UTC), clean(str(state))[:60]))
    return [
        {"incident_id": subject, "position": position, "at": at, "stated": at.isoformat(),
         "moment": "resolved" if state == "resolved" else None, "text": f"State: {state}", "line": 1}
        for position, (at, state) in enumerate(sorted(spans))
    ]  # fmt: skip


def _kind(out: Collector, is_test: object, subject: str) -> str:
    if is_test is not None and not isinstance(is_test, bool):
        out.tell(
            "unreadable",
            f"is_test of {subject} is {repr(is_test)[:60]}; it counts as real.",
            "Correct the kind if that is wrong.",
            subject=subject,
            field="kind",
        )
    return "test" if is_test is True else "real"


def _found_by(out: Collector, method: object, subject: str) -> str:
    known = method.lower() if isinstance(method, str) else method
    if isinstance(known, str) and known in _FOUND_BY:
        return _FOUND_BY[known]
    if not (known is None or (isinstance(known, str) and known in _NOBODY)):
        out.tell(
            "unreadable",
            f"detection_method of {subject} is {repr(method)[:60]}, which is not known.",
            f"Use one of: {', '.join(_FOUND_BY)}.",
            subject=subject,
            field="detected_by",
        )
    return "unknown"
