"""Incidents of the Datadog API, with their impacts, postmortem attachments and time in each state."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .datadog_records import SOURCE, Records, clean, listed, part

_DETECTED_BY = {"monitor": "monitor", "employee": "colleague", "customer": "customer"}


def incident(
    into: Records, value: Any, impacts: list[Any] | None = None, attachments: list[Any] | None = None
) -> None:
    """One incident, with its impacts and attachments where they were asked for.

    started = start of the customer impact, mitigated = its end; where the incident has none, those of its impacts. A
    `time_to_*` of 0 means unset. `time_to_resolve` counts from creation, which is no clock of ours: it is left out.
    """
    if (found := into.record(value)) is None:
        return
    uid, about = found[0], part(found[1], "attributes")
    public = into.text(uid, about, "public_id")
    key = f"datadog:{public or uid}"
    fields = part(about, "fields")
    times = {
        name: into.time(key, about, name)
        for name in (
            "detected",
            "declared",
            "created",
            "resolved",
            "customer_impact_start",
            "customer_impact_end",
        )
    }
    texts = [into.text(key, part(fields, name), "value") for name in ("summary", "root_cause")]
    starts, ends = [], []
    for one in impacts or []:
        detail = part(one, "attributes")
        starts.append(into.time(key, detail, "start_at"))
        ends.append(into.time(key, detail, "end_at"))
        texts.append(into.text(key, detail, "description"))
    for one in attachments or []:
        detail = part(part(one, "attributes"), "attachment")
        texts += [into.text(key, detail, name) for name in ("title", "documentUrl", "content")]
    started = times["customer_impact_start"] or min((t for t in starts if t is not None), default=None)
    mitigated = times["customer_impact_end"]
    if mitigated is None and ends and None not in ends:  # an impact without an end goes on
        mitigated = max(t for t in ends if t is not None)
    stated = {}
    for column, name, first, last in (
        ("stated_detect_min", "time_to_detect", times["customer_impact_start"], times["detected"]),
        ("stated_repair_min", "time_to_repair", times["detected"], times["customer_impact_end"]),
    ):
        seconds = into.number(key, about, name)
        stated[column] = seconds / 60 if seconds and seconds > 0 else None
        if seconds and first is not None and last is not None:
            derived = (last - first).total_seconds()
            if abs(derived - seconds) > 60:
                into.trouble(
                    key,
                    column,
                    f"{name} is {seconds:g} s, its moments are {derived:g} s apart.",
                    "contradiction",
                )
    moments = {"started": started, "detected": times["detected"], "resolved": times["resolved"]}
    for (name, earlier), (other, later) in pairwise((n, t) for n, t in moments.items() if t is not None):
        if later < earlier:
            what = f"{other} {later} lies before {name} {earlier}."
            into.trouble(key, f"{other}_at", what, "contradiction")
    groups = {name: _names(into, key, fields, name) for name in ("services", "teams")}
    groups["services"] = sorted({into.services.names.get(name, name) for name in groups["services"]})
    severity = into.text(key, about, "severity") or into.text(key, part(fields, "severity"), "value")
    method = into.text(key, part(fields, "detection_method"), "value")
    title = into.text(key, about, "title")
    if title is None:
        into.trouble(key, "title", "it has no title.", "missing")
    into.add(
        "incidents",
        (key,),
        {
            "incident_id": key,
            "title": title or key,
            "kind": "test" if about.get("is_test") is True else "real",
            "severity": None if severity == "UNKNOWN" else severity,
            "services": ", ".join(groups["services"]) or None,
            "teams": ", ".join(groups["teams"]) or None,
            "environment": None,
            "started_at": started,
            "detected_at": times["detected"],
            "declared_at": times["declared"] or times["created"],
            "acknowledged_at": None,
            "mitigated_at": mitigated,
            "resolved_at": times["resolved"],
            "detected_by": _DETECTED_BY.get((method or "").lower(), "unknown"),
            **stated,
            "stated_restore_min": None,
            "summary": texts[0],
            "text": "\n\n".join(
                t for t in (title, *texts, into.text(key, about, "customer_impact_scope")) if t
            ),
            "simulated": False,
            "source": SOURCE,
            "source_uri": f"datadog incident {uid}",
        },
    )
    for column, table in (("services", "incident_services"), ("teams", "incident_teams")):
        for name in groups[column]:
            into.add(table, (key, name), {"incident_id": key, column.removesuffix("s"): name})
    _states(into, key, about)


def _names(into: Records, key: str, fields: dict[str, Any], name: str) -> list[str]:
    value = part(fields, name).get("value")
    if value is None:
        return []
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        into.trouble(key, name, f"{name} is not a list of texts.")
        return []
    # A comma joins names in `incidents`; no name may hold one.
    return sorted({cleaned for item in items if (cleaned := clean(item).replace(",", "_").strip()[:200])})


def _states(into: Records, key: str, about: dict[str, Any]) -> None:
    """Time in each state, which only the search knows, as lines of the timeline."""
    spans = []
    for state, detail in part(part(about, "field_analytics"), "state").items():
        for span in listed(detail, "spans"):
            at = into.time(key, span, "start")
            if at is not None:
                spans.append((at, clean(str(state))[:60]))
    for position, (at, state) in enumerate(sorted(spans)):
        row = {"incident_id": key, "position": position, "at": at, "stated": at.isoformat(),
               "moment": "resolved" if state == "resolved" else None, "text": f"State: {state}", "line": 1}  # fmt: skip
        into.add("timeline", (key, position), row)
