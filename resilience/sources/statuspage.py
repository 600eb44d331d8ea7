"""Statuspage: `incidents.json`, what customers were told and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .tracked import Collector, objects, under

CLOCKS: dict[str, str | None] = {
    "started": None,
    "detected": None,
    "declared": "first incident_updates[].display_at",
    "acknowledged": None,
    "mitigated": "display_at with status monitoring, else monitoring_at",
    "resolved": "display_at with status resolved, else resolved_at",
}
_OVER = ("resolved", "postmortem")
_MAINTENANCE = ("scheduled", "in_progress", "verifying", "completed")
_SERVED = 50
_MOST = 1000


def incidents(records: list[Any], uri: str) -> Collector:
    """Incidents of a page. `display_at` wins over the field of the same moment: it is what a backfilled update says.

    Where it came back, mitigated and resolved are the first such update after the last relapse: what is said once more
    later, in a postmortem or a second "resolved", moves neither.
    Scheduled maintenance is no incident: left out, and counted.
    """
    out = Collector("statuspage", uri, CLOCKS)
    for place, record in enumerate(records):
        key = out.identity(under(record, "id"), place)
        if key is None:
            continue
        if record.get("impact") == "maintenance" or record.get("status") in _MAINTENANCE:
            out.count("skipped", "scheduled maintenance, which is no incident", "Nothing.", "kind")
            continue
        subject = f"statuspage:{key}"
        title = out.line(record.get("name"), "name", subject)
        updates = objects(record.get("incident_updates"))[:_MOST]
        told = [
            (one, out.moment(one.get("display_at") or one.get("created_at"), "display_at", subject))
            for one in updates
        ]
        dated = sorted(
            ((at, str(one.get("status"))) for one, at in told if at is not None), key=lambda pair: pair[0]
        )

        def moment(at: Any, field: str, subject: str = subject, record: Any = record) -> Any:
            return at or out.moment(record.get(field), field, subject)

        bodies = [
            f"{at:%Y-%m-%d %H:%M} UTC {one.get('status')}: {body}"
            for one, at in reversed(told)
            if at and (body := out.text(one.get("body"), "body", subject))
        ]
        row = {
            "title": title,
            "severity": out.line(record.get("impact"), "impact", subject),
            "services": out.items(record.get("components"), "components", subject),
            "declared_at": moment(dated[0][0] if dated else None, "created_at"),
            "mitigated_at": moment(settled(dated, ("monitoring",), ("monitoring", *_OVER)), "monitoring_at"),
            "resolved_at": moment(settled(dated, ("resolved",), _OVER), "resolved_at"),
            "text": "\n\n".join([title or subject, *bodies]),
        }
        out.add(key, row, names=[key, record.get("shortlink")], modified=record.get("updated_at"))
    if len(records) == _SERVED:
        out.tell(
            "missing",
            f"The file holds exactly {_SERVED} incidents, and a page serves only its newest {_SERVED}: "
            "older ones may be missing.",
            "Save incidents.json regularly; earlier saves stay in the store.",
            field="incident_id",
        )
    out.finish("Statuspage")
    return out


def settled(
    dated: list[tuple[datetime, str]], wanted: tuple[str, ...], after: tuple[str, ...]
) -> datetime | None:
    """When an update first had a status of `wanted`, with none but those of `after` behind it."""
    behind = next((i for i in range(len(dated), 0, -1) if dated[i - 1][1] not in after), 0)
    return next((at for at, status in dated[behind:] if status in wanted), None)
