"""incident.io and FireHydrant: trackers whose moments are a list of named times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .tracked import Collector, named, objects, under

_NAMED = {
    "impact started": "started",
    "started": "started",
    "detected": "detected",
    "reported": "declared",
    "declared": "declared",
    "acknowledged": "acknowledged",
    "fixed": "mitigated",
    "mitigated": "mitigated",
    "resolved": "resolved",
}
"""Names that are one of our moments, without a final 'at'; every other is counted as not used."""

INCIDENT_IO_CLOCKS: dict[str, str | None] = {
    "started": "timestamp 'Impact started'",
    "detected": "timestamp 'Detected'",
    "declared": "timestamp 'Reported', else created_at",
    "acknowledged": "timestamp 'Acknowledged'",
    "mitigated": "timestamp 'Fixed' or 'Mitigated'",
    "resolved": "timestamp 'Resolved'",
}
FIREHYDRANT_CLOCKS: dict[str, str | None] = {
    "started": "milestone started",
    "detected": "milestone detected",
    "declared": "created_at",
    "acknowledged": "milestone acknowledged",
    "mitigated": "milestone mitigated",
    "resolved": "milestone resolved",
}
_MODES = {
    "standard": "real",
    "real": "real",
    "stream": "real",
    "retrospective": "real",
    "test": "test",
    "tutorial": "test",
}


def incident_io(records: list[Any], uri: str) -> Collector:
    """incident.io. `mode`: test and tutorial are tests; a retrospective is a real incident entered later."""
    out = Collector("incident_io", uri, INCIDENT_IO_CLOCKS)
    for place, record in enumerate(records):
        key = out.identity(under(record, "reference") or under(record, "id"), place)
        if key is None:
            continue
        subject = f"incident_io:{key}"
        stamps = [
            (named(one.get("incident_timestamp")), under(one, "value", "value"))
            for one in objects(record.get("incident_timestamp_values"))
        ]
        mode = record.get("mode")
        if mode is not None and (not isinstance(mode, str) or mode not in _MODES):
            out.count(
                "unreadable",
                "mode is not known; it counts as real",
                "Correct the kind if that is wrong.",
                "kind",
            )
        kind = _MODES.get(mode, "real") if isinstance(mode, str) else "real"
        _add(out, key, subject, record, stamps, kind, [key, record.get("id"), record.get("permalink")])
    out.finish("incident.io")
    return out


def firehydrant(records: list[Any], uri: str) -> Collector:
    """FireHydrant, by its milestones."""
    out = Collector("firehydrant", uri, FIREHYDRANT_CLOCKS)
    for place, record in enumerate(records):
        key = out.identity(under(record, "id"), place)
        if key is None:
            continue
        stamps = [(one.get("type"), one.get("occurred_at")) for one in objects(record.get("milestones"))]
        _add(out, key, f"firehydrant:{key}", record, stamps, "real", [key, record.get("incident_url")])
    out.finish("FireHydrant")
    return out


def _add(
    out: Collector,
    key: str,
    subject: str,
    record: Mapping[str, Any],
    stamps: Iterable[tuple[object, object]],
    kind: str,
    names: list[object],
) -> None:
    at: dict[str, Any] = {}
    for name, value in stamps:
        known = _NAMED.get(str(name).lower().strip().removesuffix(" at"))
        if known is None:
            message = f"the time named {str(name)[:40]!r} is none of our moments and was not used"
            out.count("skipped", message, "Nothing, or add a correction.", "at")
        elif (found := out.moment(value, str(name)[:40], subject)) is not None:
            at[known] = min(found, at.get(known, found))
    if "declared" not in at:
        at["declared"] = out.moment(record.get("created_at"), "created_at", subject)
    title = out.line(record.get("name") or record.get("title"), "name", subject)
    summary = out.text(record.get("summary") or record.get("description"), "summary", subject)
    row = {
        "title": title,
        "kind": kind,
        "severity": out.line(named(record.get("severity")), "severity", subject),
        "services": out.items(record.get("services"), "services", subject),
        "teams": out.items(record.get("teams"), "teams", subject),
        **{f"{name}_at": value for name, value in at.items()},
        "summary": summary,
        "text": "\n\n".join(part for part in (title, summary) if part),
    }
    out.add(key, row, names=names, modified=record.get("updated_at"))
