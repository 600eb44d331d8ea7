"""What a report states and what it does not, component by component; never one score."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from ..schema import COMPONENTS, MOMENTS

Row = dict[str, Any]
_DURATIONS = {"time to detect": "stated_detect_min", "time to restore": "stated_restore_min"}


def read(
    incident: Row,
    parts: dict[str, list[Row]],
    origin: dict[str, tuple[str, int]],
    zone: tzinfo | None,
    problems: list[Row],
) -> list[Row]:
    """Rows of `incident_quality` without their incident. `origin` is where times stand; `problems` say why not."""
    why: dict[str, str] = {}
    for row in problems:
        why.setdefault(row["field"], row["message"])
    found: dict[str, Row] = {}

    def put(
        component: str, present: bool, n: int | None = None, of: int | None = None, text: str | None = None
    ) -> None:
        found[component] = {"component": component, "present": present, "n": n, "of": of, "origin": text}

    columns = {moment: f"{moment}_at" for moment in MOMENTS} | _DURATIONS
    for component, column in columns.items():
        known = incident[column] is not None
        put(component, known, text=origin[column][0] if known else why.get(column))
    for component in ("detected by", "severity", "services", "impact", "summary"):
        column = component.replace(" ", "_")
        put(component, incident[column] not in (None, "unknown"), text=why.get(column))
    rows = [row for row in parts["timeline"] if row["stated"]]
    dated = [row for row in rows if row["at"] is not None]
    put("timeline", bool(dated), len(dated), len(rows), _dates(rows))
    put("zone", zone is not None or bool(dated), text=None if zone is None else f"{zone} for the whole file")
    actions = parts["actions"]
    put("factors", bool(parts["incident_factors"]), len(parts["incident_factors"]))
    put("actions", bool(actions), len(actions))
    put(
        "owners",
        any(row["owner"] for row in actions),
        sum(bool(row["owner"]) for row in actions),
        len(actions),
    )
    told = sorted(row["audience"] for row in parts["incident_messages"])
    put("messages", bool(told), len(told), text=", ".join(told) or None)
    put("responders", incident["responders"] is not None, incident["responders"], text=incident["roles"])
    return [found[component] for component in COMPONENTS]


def _dates(rows: list[Row]) -> str | None:
    """How many dates come from where, as 'line 3, heading 2'."""
    origins = [row["date_from"] or "no date" for row in rows]
    return ", ".join(f"{name} {origins.count(name)}" for name in dict.fromkeys(origins)) or None
