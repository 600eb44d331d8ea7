"""GitHub issues (JSON) and Jira (CSV, JSON): tickets, which know when they were opened and closed, and little else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from . import text_csv
from .tracked import Collector, moment, named, under

GITHUB_CLOCKS: dict[str, str | None] = {
    "started": None,
    "detected": None,
    "declared": "created_at",
    "acknowledged": None,
    "mitigated": None,
    "resolved": "closed_at",
}
JIRA_CLOCKS: dict[str, str | None] = {**GITHUB_CLOCKS, "declared": "Created", "resolved": "Resolved"}
JIRA_NEEDS = ("Issue key", "Summary", "Created")

_NOT_SOLVED = ("not_planned", "duplicate")
_SEVERITY = re.compile(r"(?:sev[-_:/ ]{0,2}[0-9]|severity[-_:/ ]{1,2}[0-9a-z]{1,12}|p[0-5])", re.IGNORECASE)
_SERVICE = re.compile(r"(?:service|svc|component)[:/] ?(.{1,100})", re.IGNORECASE)
_TEAM = re.compile(r"team[:/] ?(.{1,100})", re.IGNORECASE)
_KINDS = {
    **dict.fromkeys(("test", "training", "exercise"), "test"),
    **dict.fromkeys(("drill", "gameday", "game day", "game-day"), "drill"),
}


def github(records: list[Any], uri: str) -> Collector:
    """Issues as the REST API or `gh issue list --json` writes them. Pull requests are left out, and counted."""
    out = Collector("github", uri, GITHUB_CLOCKS)
    for place, record in enumerate(records):
        url = under(record, "html_url") or under(record, "url")
        pulled = under(record, "pull_request") is not None or under(record, "isPullRequest") is True
        if pulled or "/pull/" in str(url)[:400]:
            out.count("skipped", "a pull request, which is no incident", "Nothing.", "kind")
            continue
        number = out.identity(under(record, "number"), place)
        if number is None:
            continue
        where = re.search(
            r"github[^/\s]{0,80}/(?:repos/)?([\w.-]{1,100}/[\w.-]{1,100})/issues/", str(url)[:400]
        )
        key = f"{where[1]}#{number}" if where else f"{uri}#{number}"
        subject = f"github:{key}"
        title = out.line(record.get("title"), "title", subject)
        body = out.text(record.get("body"), "body", subject)
        labels = _labels(out, under(record, "labels", "nodes") or record.get("labels"), subject)
        closed = record.get("closed_at") or record.get("closedAt")
        why = str(record.get("state_reason") or record.get("stateReason") or "").lower()
        if closed and why in _NOT_SOLVED:
            out.count(
                "skipped",
                "closed as not planned or as a duplicate, so that its closing is no resolution",
                "Leave out issues that were no incident, or add a correction.",
                "resolved_at",
            )
            closed = None
        row = {
            "title": title,
            **_from_labels(labels),
            "declared_at": out.moment(
                record.get("created_at") or record.get("createdAt"), "created_at", subject
            ),
            "resolved_at": out.moment(closed, "closed_at", subject),
            "text": "\n\n".join(part for part in (title, body) if part),
        }
        updated = record.get("updated_at") or record.get("updatedAt")
        out.add(key, row, names=[url, key if where else None], modified=updated)
    out.finish("GitHub")
    return out


def jira(path: Path, uri: str) -> Collector:
    """A Jira export in CSV: repeated headers are lists. Its dates have no zone as a rule, and stay empty then.

    Raises InputError where the file is no CSV in UTF-8 or lacks a column.
    """
    rows = _table(path, uri)
    out = Collector("jira", uri, JIRA_CLOCKS)
    columns = {str(name): str(name).rsplit(".", 1)[0] for name in rows}
    without: dict[str, str] = {}
    for place, record in enumerate(rows.to_dict("records")):
        key = out.identity(record["Issue key"], place)
        if key is None:
            continue
        subject = f"jira:{key}"

        def listed(*names: str, record: dict[Any, Any] = record) -> list[str]:
            return [record[c] for c, plain in columns.items() if plain in names or c in names if record[c]]

        at: dict[str, Any] = {}
        for field in ("Created", "Resolved"):
            value = record.get(field) or ""
            at[field] = moment(value)
            if value and at[field] is None:
                example = without.setdefault(field, value[:40])
                message = f"{field} has no zone or is no ISO time (the first is {example!r}); it stays empty"
                remedy = "Export times as 2021-03-04T10:00:00Z, or add corrections."
                out.count(
                    "missing", message, remedy, f"{'declared' if field == 'Created' else 'resolved'}_at"
                )
        labels = _from_labels(listed("Labels"))
        services = out.items(listed("Component/s", "Components", "Component"), "services", subject)
        title = out.line(record["Summary"], "Summary", subject)
        row = {
            **labels,
            "title": title,
            "severity": labels["severity"] or out.line(record.get("Priority") or None, "Priority", subject),
            "services": services or labels["services"],
            "declared_at": at["Created"],
            "resolved_at": at["Resolved"],
            "text": "\n\n".join(part for part in (title, record.get("Description")) if part),
        }
        out.add(key, row, names=[key], modified=record.get("Updated"))
    out.finish("Jira")
    return out


def jira_json(records: list[Any], uri: str) -> Collector:
    """Issues as Jira's REST API writes them, whose times have their zone."""
    out = Collector("jira", uri, {**JIRA_CLOCKS, "declared": "created", "resolved": "resolutiondate"})
    for place, record in enumerate(records):
        key = out.identity(under(record, "key"), place)
        if key is None:
            continue
        subject = f"jira:{key}"
        fields = under(record, "fields") or {}
        labels = _from_labels(_labels(out, fields.get("labels"), subject))
        title = out.line(fields.get("summary"), "summary", subject)
        said = fields.get("description")
        body = out.text(
            "\n".join(_texts_in(said)) if isinstance(said, dict) else said, "description", subject
        )
        row = {
            **labels,
            "title": title,
            "severity": labels["severity"] or out.line(named(fields.get("priority")), "priority", subject),
            "services": out.items(fields.get("components"), "components", subject) or labels["services"],
            "declared_at": out.moment(fields.get("created"), "created", subject),
            "resolved_at": out.moment(fields.get("resolutiondate"), "resolutiondate", subject),
            "text": "\n\n".join(part for part in (title, body) if part),
        }
        out.add(key, row, names=[key], modified=fields.get("updated"))
    out.finish("Jira")
    return out


def _texts_in(document: Any) -> Iterator[str]:
    """Texts of a description in Atlassian's document format, in their order."""
    nodes = [document]
    for _ in range(10_000):
        if not nodes:
            return
        node = nodes.pop()
        if isinstance(node, dict):
            if isinstance(node.get("text"), str):
                yield node["text"]
            nodes += reversed(node["content"]) if isinstance(node.get("content"), list) else []


def _table(path: Path, uri: str) -> pd.DataFrame:
    rows = text_csv.read(path, uri, "Export it again as UTF-8 CSV.")
    missing = [name for name in JIRA_NEEDS if name not in rows]
    if missing:
        raise InputError(
            f"There is no column {', '.join(missing)}.",
            where=uri,
            line=1,
            remedy="Export all fields of the issues as CSV, with English headers.",
        )
    return rows.fillna("")


def _labels(out: Collector, value: object, subject: str) -> list[str]:
    given = value if isinstance(value, list) else []
    return [name for one in given[:200] if (name := out.line(named(one), "labels", subject))]


def _from_labels(labels: list[str]) -> dict[str, Any]:
    """Kind, severity, services and teams that labels state: `drill`, `sev1`, `service:search`, `team:checkout`."""

    def these(pattern: re.Pattern[str]) -> str | None:
        found = {match[1].strip().replace(", ", ",") for name in labels if (match := pattern.fullmatch(name))}
        return ", ".join(sorted(found - {""})) or None

    return {
        "kind": next((_KINDS[name.lower()] for name in labels if name.lower() in _KINDS), "real"),
        "severity": next((name for name in labels if _SEVERITY.fullmatch(name)), None),
        "services": these(_SERVICE),
        "teams": these(_TEAM),
    }
