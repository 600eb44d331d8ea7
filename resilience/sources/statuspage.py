"""Statuspage: `incidents.json`, what customers were told and when."""

from __future__ import annotations

from typing import Any

from .tracked import Collector, objects, under

CLOCKS: dict[str, str | None] = {
    "started": None,
    "detected": None,
    "declared": "first incident_updates[].display_at",
    "acknowledged": None,
    "mitigated": "first display_at with status monitoring, else monitoring_at",
    "resolved": "first display_at with status resolved, else resolved_at",
}
_SERVED = 50
_MOST = 1000


def incidents(records: list[Any], uri: str) -> Collector:
    """Incidents of a page. `display_at` wins over the field of the same moment: it is what a backfilled update says.

    Scheduled maintenance is no incident: left out, and counted.
    """
    out = Collector("statuspage", uri, CLOCKS)
    for place, record in enumerate(records):
        key = out.identity(under(record, "id"), place)
        if key is None:
            continue
        if record.get("impact") == "maintenance":
            out.count("skipped", "scheduled maintenance, which is no incident", "Nothing.", "kind")
            continue
        subject = f"statuspage:{key}"
        title = out.line(record.get("name"), "name", subject)
        updates = objects(record.get("incident_updates"))[:_MOST]
        told = [(one, out.moment(one.get("display_at"), "display_at", subject)) for one in updates]
        dated = sorted(
            ((at, str(one.get("status"))) for one, at in told if at is not None), key=lambda pair: pair[0]
        )

        def first(
            status: str | None, field: str, subject: str = subject, dated: Any = dated, record: Any = record
        ) -> Any:
            at = next((at for at, said in dated if status in (None, said)), None)
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
            "declared_at": first(None, "created_at"),
            "mitigated_at": first("monitoring", "monitoring_at"),
            "resolved_at": first("resolved", "resolved_at"),
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
