"""Incident objects of Datadog's API (v2) as rows of `incidents`: saved replies and `sync` share this mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .tracked import Collector, Row, under

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


def rows(given: Iterable[Any], uri: str) -> tuple[list[Row], list[Row]]:
    """Rows of `incidents` and of `problems` from incident objects (`{"type": "incidents", "id", "attributes"}`).

    `uri` is what the rows name as their source. `incident_id` is `datadog:PUBLIC_ID`. An object met twice (pages that
    moved) is kept once, as last modified. Durations (`time_to_*`, where 0 means unset) are not read: moments are.
    No object is lost: one without a usable id is a problem row, an unknown field is ignored, a broken one is null.
    """
    found = collect(given, uri)
    return found.incidents, found.problems


def collect(given: Iterable[Any], uri: str) -> Collector:
    """As `rows`, with the names that other sources may call an incident by: its slug, its uuid, its address."""
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
        _add(out, key, record)
    out.finish("Datadog")
    return out


def of_reply(reply: Any) -> list[Any]:
    """Incident objects of a saved reply: list, search or a single incident; empty where it holds none."""
    data = under(reply, "data")
    found = under(data, "attributes", "incidents")
    if isinstance(found, list):
        return found
    return data if isinstance(data, list) else [data] if isinstance(data, Mapping) else []


def more_pages(reply: Any) -> int | None:
    """Offset of the next page, where this reply is not the last one; None where it does not say so.

    A last page still names its offset and size, and a full page that is the last names the next one, which is empty.
    """
    following = under(reply, "meta", "pagination", "next_offset")
    return following if isinstance(following, int) and not isinstance(following, bool) else None


def _modified(record: Mapping[str, Any]) -> str:
    """Datadog writes all times in UTC, so the text sorts as the time does."""
    value = under(record, "attributes", "modified")
    return value if isinstance(value, str) else ""


def _add(out: Collector, key: str, record: Mapping[str, Any]) -> None:
    attributes = under(record, "attributes")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    subject = f"{SOURCE}:{key}"

    def field(name: str) -> Any:
        return under(attributes, "fields", name, "value")

    severity = out.line(attributes.get("severity") or field("severity"), "severity", subject)
    title = out.line(attributes.get("title"), "title", subject)
    summary = out.text(field("summary"), "summary", subject)
    cause = out.text(field("root_cause"), "root_cause", subject)
    scope = out.text(attributes.get("customer_impact_scope"), "customer_impact_scope", subject)
    parts = [title, summary, scope, cause and f"## Root cause\n\n{cause}"]
    at = {
        f"{name}_at": field and out.moment(attributes.get(field), field, subject)
        for name, field in CLOCKS.items()
    }
    if at["resolved_at"] is None and attributes.get("state", field("state")) == "resolved":
        out.count("missing", "state is resolved but resolved is not set", "Set it in Datadog.", "resolved_at")
    row = {
        "title": title,
        "kind": _kind(out, attributes.get("is_test"), subject),
        "severity": None if severity and severity.upper() == "UNKNOWN" else severity,
        "services": out.items(field("services"), "services", subject),
        "teams": out.items(field("teams"), "teams", subject),
        **at,
        "detected_by": _found_by(out, field("detection_method"), subject),
        "summary": summary,
        "text": "\n\n".join(part for part in parts if part),
    }
    slug = field("slug") or (f"IR-{key}" if key.isdigit() else None)
    names = [slug, record.get("id"), f"datadog/incidents/{key}"]
    out.add(key, row, names=names, modified=attributes.get("modified"))


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
