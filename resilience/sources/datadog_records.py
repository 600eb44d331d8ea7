"""Records of the Datadog API (events, monitors, SLOs, catalog relations, deployments) as tables.

A record that cannot be read becomes a problem row that names the archived reply; a field of an unexpected type costs
only that field. Nothing here raises on what a server may send.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from ..schema import frame
from .datadog_config import Services
from .problems import problem
from .tracked import clean

SOURCE = "datadog"
_TEXT = 100_000
_EPOCH = (946_684_800.0, 4_102_444_800.0)


@dataclass
class Records:
    """Rows by table, and what could not be read. `where` names the archived reply that is being read."""

    services: Services
    part: str
    where: str = ""
    rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = field(default_factory=dict)
    problems: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, table: str, key: tuple[Any, ...], row: dict[str, Any]) -> None:
        """A record that comes twice, on two pages, stands once; the later one wins."""
        self.rows.setdefault(table, {})[key] = row

    def frames(self) -> dict[str, pd.DataFrame]:
        """Checked frames of every table that has rows, and of `problems`."""
        found = {table: frame(table, rows.values()) for table, rows in self.rows.items()}
        return {**found, "problems": frame("problems", self.problems.values())}

    def trouble(self, record: str, name: str | None, what: str, kind: str = "unreadable") -> None:
        row = problem(
            f"datadog {self.part}",
            kind,
            f"{record}: {what}",
            f"Look at it in Datadog; the reply is kept in data/raw/datadog/{self.where}.",
            subject=record,
            field=name,
        )
        # The reply's name changes with every reply; the problem is the same.
        self.problems[row["problem_id"]] = row

    def record(self, value: Any) -> tuple[str, dict[str, Any]] | None:
        """Id and content of a record; None, with a problem, where it is not one."""
        if isinstance(value, dict):
            number = value.get("id")
            if isinstance(number, (str, int)) and not isinstance(number, bool) and str(number).strip():
                return clean(str(number))[:300], value
        self.trouble(f"a record of {self.part}", None, f"it has no id: {str(value)[:80]!r}")
        return None

    def text(self, record: str, holder: Any, name: str) -> str | None:
        value = holder.get(name) if isinstance(holder, dict) else None
        if value is None or value == "":
            return None
        if isinstance(value, str):
            return clean(value)[:_TEXT]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        self.trouble(record, name, f"{name} is {type(value).__name__}, not a text.")
        return None

    def number(self, record: str, holder: Any, name: str) -> float | None:
        value = holder.get(name) if isinstance(holder, dict) else None
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15:
            return float(value)
        self.trouble(record, name, f"{name} is not a number: {str(value)[:60]!r}.")
        return None

    def time(self, record: str, holder: Any, name: str) -> pd.Timestamp | None:
        """A moment from ISO text with an offset, or from seconds, ms, us or ns since 1970: their size tells which."""
        value = holder.get(name) if isinstance(holder, dict) else None
        if value is None or value == "" or value == 0:
            return None
        moment = None
        if isinstance(value, str) and len(value) < 60:
            try:
                parsed = datetime.fromisoformat(value)
                if parsed.tzinfo is not None:
                    moment = parsed.timestamp()
            except (ValueError, OverflowError):
                pass
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            moment = next((value / unit for unit in (1, 1e3, 1e6, 1e9) if abs(value) / unit < 1e11), None)
        if moment is None or not _EPOCH[0] <= moment <= _EPOCH[1]:
            self.trouble(record, name, f"{name} is not a moment between 2000 and 2100: {str(value)[:60]!r}.")
            return None
        return pd.Timestamp(round(moment * 1e6), unit="us", tz="UTC")

    def tags(self, record: str, holder: Any, name: str = "tags") -> list[str]:
        value = holder.get(name) if isinstance(holder, dict) else None
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
            return sorted({clean(tag)[:300] for tag in value[:1000]})
        self.trouble(record, name, f"{name} is not a list of texts.")
        return []


def part(holder: Any, name: str) -> dict[str, Any]:
    """The object under `name`, empty where there is none."""
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def listed(holder: Any, name: str) -> list[Any]:
    """The list under `name`, empty where there is none."""
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []


def event(into: Records, value: Any) -> None:
    """One event of the events search."""
    if (found := into.record(value)) is None:
        return
    key, about = found[0], part(found[1], "attributes")
    inner = part(about, "attributes")
    at = into.time(key, about, "timestamp") or into.time(key, inner, "timestamp")
    if at is None:
        into.trouble(key, "at", "it has no time, so it cannot be placed.", "missing")
        return
    tags = into.tags(key, about)
    stated = into.text(key, inner, "service")
    stated = None if stated in (None, "undefined") else into.services.names.get(stated, stated)
    row = {
        "event_id": key,
        "at": at,
        "title": into.text(key, inner, "title"),
        "text": into.text(key, about, "message"),
        "status": into.text(key, inner, "status"),
        "service": into.services.of(tags) or stated,
        "tags": ",".join(tags) or None,
        "source": SOURCE,
    }
    into.add("events", (key,), row)


def monitor(into: Records, value: Any) -> None:
    """One monitor and its present state."""
    if (found := into.record(value)) is None:
        return
    key, about = found
    tags = into.tags(key, about)
    row = {
        "monitor_id": key,
        "name": into.text(key, about, "name") or key,
        "kind": into.text(key, about, "type"),
        "query": into.text(key, about, "query"),
        "state": into.text(key, about, "overall_state"),
        "state_since": into.time(key, about, "overall_state_modified"),
        "service": into.services.of(tags),
        "tags": ",".join(tags) or None,
        "created_at": into.time(key, about, "created"),
        "modified_at": into.time(key, about, "modified"),
        "source": SOURCE,
    }
    into.add("monitors", (key,), row)


def slo_month(into: Records, slo: Any, history: Any, month: pd.Timestamp, until: pd.Timestamp) -> None:
    """The history of one SLO over one month. Its errors are kept: no data is not 100 percent."""
    if (found := into.record(slo)) is None:
        return
    key, about = found
    overall = part(part(history, "data"), "overall")
    errors = [into.text(key, e, "error_message") for e in listed(overall, "errors")]
    errors += [clean(e)[:500] for e in listed(history, "errors") if isinstance(e, str)]
    value = into.number(key, overall, "sli_value")
    if value is None and not any(errors):
        errors = [into.text(key, overall, "state") or "no value and no reason given"]
    thresholds = listed(about, "thresholds")
    row = {
        "slo_id": key,
        "month_at": month,
        "until_at": until,
        "name": into.text(key, about, "name") or key,
        "kind": into.text(key, about, "type"),
        "service": into.services.of(into.tags(key, about)),
        "target_percent": into.number(key, thresholds[0], "target") if thresholds else None,
        "value_percent": np.nan if value is None else value,
        "error": "; ".join(e for e in errors if e)[:2000] or None,
        "source": SOURCE,
    }
    into.add("slo_history", (key, month), row)


def relation(into: Records, value: Any) -> None:
    """One relation of the catalog."""
    if (found := into.record(value)) is None:
        return
    key, record = found
    about = part(record, "attributes")
    ends = [
        (into.text(key, one, "kind"), into.text(key, one, "name"))
        for one in (part(about, "from"), part(about, "to"))
    ]
    kind = into.text(key, about, "type")
    if kind is None or any(value is None for end in ends for value in end):
        into.trouble(key, None, "it lacks a type, a kind or a name.", "missing")
        return
    names = [into.services.names.get(str(name), name) if what == "service" else name for what, name in ends]
    row = {
        "edge_id": key,
        "from_kind": ends[0][0],
        "from_name": names[0],
        "relation": kind,
        "to_kind": ends[1][0],
        "to_name": names[1],
        "origin": into.text(key, part(record, "meta"), "source"),
        "source": SOURCE,
    }
    into.add("service_edges", (key,), row)


def deployment(into: Records, value: Any) -> None:
    """One deployment event."""
    if (found := into.record(value)) is None:
        return
    key, about = found[0], part(found[1], "attributes")
    service, started = into.text(key, about, "service"), into.time(key, about, "started_at")
    if service is None or started is None:
        into.trouble(key, None, "it lacks a service or a start.", "missing")
        return
    row = {
        "deployment_id": key,
        "service": into.services.names.get(service, service),
        "started_at": started,
        "finished_at": into.time(key, about, "finished_at"),
        "environment": into.text(key, about, "env"),
        "version": into.text(key, about, "version"),
        "team": into.text(key, about, "team"),
        "source": SOURCE,
    }
    into.add("deployments", (key,), row)
