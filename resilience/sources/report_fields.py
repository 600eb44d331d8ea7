"""What a report states as key and value, wherever it does: front matter, `**Key:** value`, lists, tables."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

from . import report_clocks
from .markdown_text import Document, Line, Section, Table, plain
from .report_durations import is_placeholder
from .report_words import KEYS

# Normalised keys, as `_normal` makes them. A key that may also open a sentence counts only before a value that fits.
_KEYS = {
    "date": "date, incident date, date of incident, day, outage date, date of outage",
    "started_at": "start, started, started at, started on, start time, start date, start date and time, incident start, "
    "incident started, incident start time, began, begin, beginning, begin time, impact start, impact started, "
    "impact start time, impact began, outage start, outage started, outage start time, time of start, fault started, "
    "start time of incident, incident began, issue started, downtime start, downtime began, "
    "occurred at, time of occurrence, time started",
    "detected_at": "detected, detected at, detected on, detection, detection time, time detected, time of detection, "
    "noticed, noticed at, discovered, discovered at, discovery time, incident detected, incident detection, detect time, "
    "alerted, alerted at, alert time, first alert, first detected, reported at, time of discovery",
    "declared_at": "declared, declared at, incident declared, declaration time, time declared, incident declared at",
    "acknowledged_at": "acknowledged, acknowledged at, acknowledgement time, ack time, time acknowledged, "
    "acknowledgment time, response started",
    "mitigated_at": "fixed, fixed at, mitigated, mitigated at, mitigation, "
    "mitigation time, time mitigated, time of mitigation, "
    "incident mitigated, impact end, impact ended, impact end time, impact mitigated, repaired, repaired at, stabilized, "
    "stabilised",
    "resolved_at": "resolved, resolved at, resolved on, resolution, resolution time, time resolved, time of resolution, "
    "end, ended, ended at, end time, end date, end date and time, incident end, incident ended, incident end time, "
    "incident resolved, incident resolution, issue resolved, outage end, outage ended, outage end time, finish, finished, "
    "downtime end, downtime ended, "
    "recovered, recovered at, recovery, recovery time, full recovery, restored, restored at, service restored",
    "closed_at": "closed, closed at, closed on, incident closed, time closed",
    "stated_detect_min": "time to detect, time to detection, time to discovery, ttd, mttd, detection duration",
    "stated_repair_min": "time to repair, time to repair from detection",
    "stated_restore_min": "time to recovery, time to recover, time to restore, time to restoration, time to resolve, "
    "time to resolution, time to restore service, ttr, incident duration, duration of incident, total duration, "
    "outage duration, duration of outage, duration",
    "mitigate_min": "time to mitigate, time to mitigation, ttm",
    "incident_id": "incident id, incident, incident number, incident no, incident #, incident key, id",
    "severity": "severity, sev, incident severity, severity level",
    "services": "services, service, affected services, affected service, services affected, impacted services, "
    "service affected, services impacted, service impacted, affected systems, impacted systems, systems affected, "
    "affected components, components affected",
    "teams": "teams, team, teams involved, team involved, responding teams, responding team, owning team",
    "environment": "environment, environments, env",
    "detected_by": "detected by, noticed by, discovered by, found by, detection method, detection source, how detected, "
    "how was it detected, method of detection, detected via, reported by",
    "impact": "impact, customer impact, user impact, business impact, impact summary, impact description",
    "factors": "root cause, root causes, cause, causes, trigger, triggers, contributing factors, contributing factor, "
    "root cause summary",
    "responders": "responders, responder, incident responders, responders involved, people involved, number of responders",
    "role": "incident commander, ic, incident manager, incident lead, incident owner, scribe, communications lead, "
    "comms lead, operations lead, ops lead, on call, on call engineer, oncall, deputy, customer liaison",
    "kind": "kind, incident kind",
    "simulated": "simulated",
    "zone": "time zone, timezone, all times in, times in",
    "summary": "summary, executive summary",
}
_FRONT_KEYS = {"title": "title", "zone": "zone, tz", "summary": "description", "resolved_at": "resolved time"}
_FIELD = {key: field for names in (KEYS, _KEYS) for field, keys in names.items() for key in keys.split(", ")}
_FRONT_FIELD = _FIELD | {key: field for field, keys in _FRONT_KEYS.items() for key in keys.split(", ")}
_LONGEST = 70
_BRACKETS = re.compile(r"[(\[]([^()\[\]]{0,40})[)\]]")
_CLOSING = re.compile(
    r"\s(?:at|on|date ?/ ?time|date and time|datetime|timestamp|date|time)(?:\s(?:at|on))?$"
)
_UNITS = {
    "weeks": "w",
    "days": "d",
    "hours": "h",
    "hrs": "h",
    "h": "h",
    "minutes": "m",
    "mins": "m",
    "min": "m",
}
_UNITS |= {"m": "m", "seconds": "s", "secs": "s", "sec": "s", "s": "s"}
_TIME_HEADER = re.compile(r"\b(?:time|times|date|when|timestamp|clock|utc|cet|cest|gmt)\b", re.IGNORECASE)
_NOT_EVENTS = re.compile(r"\b(?:value|duration|minutes|hours)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Fact:
    """One stated value, plain. `zone` and `unit` are named by its key; `sure` where the key can be nothing else."""

    field: str
    key: str
    value: str
    line: int
    sure: bool
    zone: tzinfo | None = None
    unit: str | None = None
    front: bool = False


def facts(document: Document, outside: Iterable[Section]) -> dict[str, list[Fact]]:
    """Every stated value by field, front matter first, then in the order of the report, not from `outside`."""
    found: dict[str, list[Fact]] = defaultdict(list)
    skipped = {id(section) for section in outside}
    for fact in _front(document):
        found[fact.field].append(fact)
    for section in document.sections:
        if id(section) not in skipped:
            for part in section.content:
                for fact in _of_line(part) if isinstance(part, Line) else _of_table(part):
                    found[fact.field].append(fact)
    return found


def is_timeline(table: Table) -> bool:
    """True where the header says that rows are events with their times."""
    header = [plain(cell) for cell in table.header.cells]
    if len(header) < 2 or not _TIME_HEADER.search(header[0]) or _NOT_EVENTS.search(header[1]):
        return False
    if len(header) == 2 and _states_properties(table):
        return False
    named = _fact(header[0], "", 0)
    return named is None or named.field == "date"


def _states_properties(table: Table) -> bool:
    """True for 'Incident date | 4 March' above 'Severity | SEV2': a table of keys and values without a header."""
    first = [plain(row.cells[0]) for row in (table.header, *table.rows) if row.cells]
    keys = [cell for cell in first if (fact := _fact(cell, "", 0)) and fact.field != "zone"]
    return len(keys) >= 2 and not any(report_clocks.starts_with_time(cell) for cell in first)


def states_fact(line: Line) -> bool:
    """True for 'Severity: SEV2': a line that is a field and not prose."""
    return any(True for _ in _of_line(line))


def states_time(line: Line) -> bool:
    """True for 'Resolved: 2020-11-04 13:13': a field that holds a time, wherever it stands."""
    return any(f.field.endswith("_at") and report_clocks.starts_with_time(f.value) for f in _of_line(line))


def _front(document: Document) -> Iterator[Fact]:
    for key, value in document.front.items():
        field = _FRONT_FIELD.get(_normal(key)[0])
        if field is None or isinstance(value, dict):
            continue
        text = (
            ", ".join(str(v) for v in value if not isinstance(v, dict | list))
            if isinstance(value, list)
            else value
        )
        line = document.front_line((key,))
        yield Fact(field, key, "" if text is None else plain(str(text)), line, True, front=True)


def _of_line(part: Line) -> Iterator[Fact]:
    key, colon, _ = part.text[: _LONGEST + 10].partition(":")
    if colon and (fact := _fact(key, part.text[len(key) + 1 :], part.line)):
        yield fact


def _of_table(table: Table) -> Iterator[Fact]:
    if is_timeline(table):
        return
    header = [_fact(cell, "", 0) for cell in table.header.cells]
    if len(table.rows) == 1 and sum(fact is not None for fact in header) >= 2:
        row = table.rows[0]
        pairs: list[tuple[str, str, int]] = [
            (key, value, row.line) for key, value in zip(table.header.cells, row.cells, strict=False)
        ]
    else:
        rows = [table.header, *table.rows] if len(table.header.cells) == 2 else []
        pairs = [(row.cells[0], row.cells[1], row.line) for row in rows if len(row.cells) == 2]
    zones = report_clocks.zones_in(plain(table.header.cells[1])) if len(table.header.cells) == 2 else []
    for key, value, line in pairs:
        if fact := _fact(key, value, line):
            yield replace(fact, zone=zones[0]) if len(zones) == 1 and not fact.zone else fact


def _fact(key: str, value: str, line: int) -> Fact | None:
    if len(key) > _LONGEST:
        return None
    name, bracketed = _normal(plain(key))
    field = _FIELD.get(name) or _FIELD.get(_CLOSING.sub("", name))
    if field is None or (name not in _FIELD and not field.endswith("_at")):
        return None
    zones = report_clocks.zones_in(bracketed)
    unit = _UNITS.get(bracketed.strip().lower())
    sure = " " in name or field.endswith("_min")
    return Fact(
        field, plain(key), plain(value).rstrip("\\ "), line, sure, zones[0] if len(zones) == 1 else None, unit
    )


def _normal(key: str) -> tuple[str, str]:
    """Key in lower case with single blanks, and what stood in its brackets."""
    brackets = _BRACKETS.search(key)
    words = _BRACKETS.sub(" ", key).replace("_", " ").replace("-", " ").replace("’", "'").strip(" :.").lower()
    return " ".join(words.split()), brackets[1] if brackets else ""


def first_word(stated: dict[str, list[Fact]], field: str) -> Fact | None:
    """First fact of `field` that states something."""
    return next((fact for fact in stated.get(field, []) if not is_placeholder(fact.value)), None)


def listed(fact: Fact | None) -> str | None:
    """Sorted different items of a comma-separated value, joined by ', '."""
    items = {item.strip(" .;") for item in re.split(r"[,;]", fact.value if fact else "")}
    kept = sorted(item for item in items if not is_placeholder(item))
    return ", ".join(kept) or None


def truth(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "yes", "1")
