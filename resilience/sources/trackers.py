"""Exports of incident trackers as `incidents`: recognised by what is in them, or read as the kind one is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from .. import schema
from ..errors import InputError
from . import datadog_incidents, milestones, pagerduty, statuspage, text_csv, tickets
from .problems import problem
from .tracked import Collector, under

MAX_BYTES = 30_000_000  # of an export that is read
_RECOGNISED_BYTES = 100_000_000  # of a file that is looked at: beyond it, only series are that large
_LOOKED_AT = 50  # records that recognition looks at

_READERS: dict[str, Callable[[list[Any], str], Collector]] = {
    "datadog": datadog_incidents.collect,
    "pagerduty": pagerduty.incidents,
    "pagerduty-log": pagerduty.log_entries,
    "pagerduty-analytics": pagerduty.analytics,
    "statuspage": statuspage.incidents,
    "github": tickets.github,
    "incident-io": milestones.incident_io,
    "firehydrant": milestones.firehydrant,
}
KINDS = (*_READERS, "jira")
CLOCKS: dict[str, dict[str, str | None]] = {
    "datadog": datadog_incidents.CLOCKS,
    "pagerduty": pagerduty.CLOCKS,
    "pagerduty-log": pagerduty.LOG_CLOCKS,
    "pagerduty-analytics": pagerduty.ANALYTICS_CLOCKS,
    "statuspage": statuspage.CLOCKS,
    "github": tickets.GITHUB_CLOCKS,
    "incident-io": milestones.INCIDENT_IO_CLOCKS,
    "firehydrant": milestones.FIREHYDRANT_CLOCKS,
    "jira": tickets.JIRA_CLOCKS,
}
"""Kind -> moment -> the field that states it; `docs/sources.md` shows this table."""

SYNCED = "datadog incident "
"""How the `source_uri` of an incident begins that was fetched, not read from a file; its uuid follows."""

_LISTS = (
    ("data", "attributes", "incidents"),
    ("data", "repository", "issues", "nodes"),
    ("data", "search", "nodes"),
    ("incidents",),
    ("log_entries",),
    ("items",),
    ("issues",),
    ("data",),
)
"""Where replies hold their list of records."""
_RECORDS = ("incidents", "log_entries", "items", "data", "incident")


@dataclass(frozen=True)
class Tracked:
    """Frames of one export. `modified`: incident_id -> when the tracker last changed it, as written, '' if unknown."""

    incidents: pd.DataFrame
    names: pd.DataFrame
    problems: pd.DataFrame
    modified: dict[str, str]


def recognise(path: Path) -> str | None:
    """Kind of export that a JSON or CSV file is, by a look at its top level; None where it is none, or is unreadable."""
    try:
        if path.stat().st_size > _RECOGNISED_BYTES:
            return None
        if path.suffix.lower() == ".csv":
            return "jira" if set(tickets.JIRA_NEEDS) <= set(text_csv.header(path)) else None
        return kind_of(_json(path, path.name))
    except (InputError, OSError):
        return None


def kind_of(data: Any) -> str | None:
    """Kind of export that parsed JSON is, or None."""
    records = [one for one in _records(data)[:_LOOKED_AT] if isinstance(one, dict)]
    keys = set().union(*records) if records else set()
    data = _pages(data)[0]
    top = set(data) if isinstance(data, dict) else set()
    types = {
        str(one.get("type"))
        for one in [*records, *(under(one, "data") or {} for one in records)]
        if isinstance(one, dict)
    }
    inner = under(data, "data")
    if "incidents" in types or under(inner, "type") == "incidents_search_results":
        return "datadog"
    if inner == [] and under(data, "meta", "pagination") is not None:
        return "datadog"
    if "log_entries" in top:
        return "pagerduty-log"
    if "seconds_to_resolve" in keys or "seconds_to_first_ack" in keys:
        return "pagerduty-analytics"
    if "incident_timestamp_values" in keys or ("incidents" in top and "pagination_meta" in top):
        return "incident-io"
    if "milestones" in keys:
        return "firehydrant"
    if "incident_updates" in keys or ("incidents" in top and isinstance(under(data, "page"), dict)):
        return "statuspage"
    if "incident_number" in keys or {"incidents", "more"} <= top:
        return "pagerduty"
    if any(isinstance(one.get("key"), str) and "summary" in (under(one, "fields") or ()) for one in records):
        return "jira"
    if {"number", "title"} <= keys and keys & {"closed_at", "closedAt"}:
        return "github"
    return None


def read(path: Path, uri: str, kind: str | None = None) -> Tracked:
    """Incidents of one export; `kind` forces one of `KINDS`. `uri` is what its rows name as their source.

    Raises InputError where the file is too large, no JSON or CSV in UTF-8, an error reply, or of no known kind.
    """
    if kind is None:
        kind = recognise(path)
    _refuse_large(path, uri)
    if kind == "jira" and path.read_bytes().removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"["):
        return frames(tickets.jira(path, uri))
    data = _json(path, uri)
    if kind not in KINDS:
        raise InputError(
            "This is no export of a tracker that is known.",
            where=uri,
            remedy=f"Say which: --as {'|'.join(KINDS)}.",
        )
    records = _records(data)
    if not records and not _is_empty_list(data):
        raise InputError(
            f"There is no list of records in this file ({kind}).",
            where=uri,
            remedy="Save the reply as it came, or give another --as.",
        )
    if kind == "pagerduty-analytics":
        found = pagerduty.analytics(records, uri, under(_pages(data)[0], "time_zone"))
    else:
        found = _READERS.get(kind or "", tickets.jira_json)(records, uri)
    last = _pages(data)[-1]
    if under(last, "more") is True or (under(last, "meta", "pagination", "next_offset") and len(records)):
        found.tell(
            "missing",
            f"This is one page of {len(records)} records, and it says that more follow.",
            "Nothing, if the next pages are saved in files of their own; else save them.",
            field="incident_id",
        )
    return frames(found)


def members(incidents: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """Rows of `incident_services` or `incident_teams`: one per incident and item of a column that joins items by ', '."""
    rows = incidents[["incident_id", column]].dropna().rename(columns={column: name})
    rows[name] = rows[name].str.split(", ")
    rows = rows.explode(name).drop_duplicates()
    return schema.frame(f"incident_{column}", rows)


def newest(reads: Sequence[Tracked]) -> Tracked:
    """Several exports as one: an incident in more than one counts as last modified, the later file where that is equal.

    Rows that differ although nothing says which is newer are a row of `problems`.
    """
    rows = pd.concat([read.incidents for read in reads], ignore_index=True)
    changed = [read.modified[one] for read in reads for one in read.incidents["incident_id"]]
    rows = rows.assign(_changed=changed, _place=range(len(rows)))
    last = rows.sort_values(["_changed", "_place"]).drop_duplicates("incident_id", keep="last")
    content = [c for c in rows if c not in ("source_uri", "_place")]
    unequal = rows.drop_duplicates(content)
    unequal = unequal[unequal.duplicated(["incident_id", "_changed"], keep=False)]
    doubtful = last[last["incident_id"].isin(unequal["incident_id"])].merge(
        unequal[["incident_id", "_changed"]].drop_duplicates(), on=["incident_id", "_changed"]
    )
    told = [
        problem(
            row.source_uri,
            "contradiction",
            f"{row.incident_id} differs between exports, and neither says when it was changed; this one is used.",
            "Remove the older export.",
            subject=row.incident_id,
            field="incident_id",
        )
        for row in doubtful.itertuples()
    ]
    names = pd.concat([read.names for read in reads], ignore_index=True).drop_duplicates(ignore_index=True)
    problems = pd.concat(
        [*(read.problems for read in reads), schema.frame("problems", told)], ignore_index=True
    )
    modified = dict(zip(last["incident_id"], last["_changed"], strict=True))
    kept = last.sort_values("_place")[list(rows.columns[:-2])].reset_index(drop=True)
    return Tracked(schema.check("incidents", kept), names, problems, modified)


def frames(found: Collector) -> Tracked:
    """Frames of what was collected; a record that stands twice counts once, as last modified."""
    incidents: dict[str, dict[str, Any]] = {}
    for row in found.incidents:
        twice = incidents.setdefault(row["incident_id"], row)
        if twice is not row:
            message = "its id stands twice; the last one in the file was kept"
            found.tell(
                "skipped", f"{row['incident_id']}: {message}.", "Nothing, if they are the same.",
                subject=row["incident_id"], field="incident_id",
            )  # fmt: skip
            incidents[row["incident_id"]] = row
    names = {(row["incident_id"], row["name"]): row for row in found.names}
    problems = {row["problem_id"]: row for row in found.problems}
    return Tracked(
        schema.frame("incidents", list(incidents.values())),
        schema.frame("incident_names", list(names.values())),
        schema.frame("problems", list(problems.values())),
        found.modified,
    )


def _records(data: Any) -> list[Any]:
    """The list of records in a reply, however it is wrapped; of several pages, those of all."""
    pages = [_page(page) for page in _pages(data)]
    if pages[0] is not None:
        return [record for page in pages for record in page or ()]
    nested = datadog_incidents.of_reply(data)
    if nested:
        return nested
    return next(([one] for name in _RECORDS if isinstance(one := under(data, name), dict)), [])


def _pages(data: Any) -> list[Any]:
    """The replies in a file that holds several; else the one that it holds."""
    several = isinstance(data, list) and data and all(_page(one) is not None for one in data)
    return data if several else [data]


def _page(data: Any) -> list[Any] | None:
    """Records of one page of a list; None where it is no such page, but a record perhaps."""
    if isinstance(data, list):
        return data
    for path in _LISTS:
        if isinstance(found := under(data, *path), list):
            return found
    return None


def _is_empty_list(data: Any) -> bool:
    found = under(data, "data", "attributes", "incidents")
    return data == [] or found == [] or any(under(data, name) == [] for name in _RECORDS)


def _refuse_large(path: Path, uri: str) -> None:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"The file has {size:,} bytes; {MAX_BYTES:,} is the limit of an export.",
            where=uri,
            remedy="Export shorter spans of time, each to a file of its own.",
        )


def _json(path: Path, uri: str) -> Any:
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if raw.lstrip()[:1] == b"<":
        raise InputError(
            "This is HTML, not an export.",
            where=uri,
            remedy="Sign in or check the address, then save it again.",
        )
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if several := _several(raw):
            return several
        raise InputError(
            f"The JSON is cut off, nested too deeply or broken at line {error.lineno}, column {error.colno}.",
            where=uri,
            line=error.lineno,
            remedy="Export it again.",
        ) from None
    if isinstance(data, dict) and (data.get("errors") or data.get("error")) and not _records(data):
        raise InputError(
            "This is an error reply, not an export.",
            where=uri,
            remedy="Check the access rights and ask again.",
        )
    return data


def _several(raw: bytes) -> list[Any]:
    """Values that follow each other, as tools write that fetch page after page; empty where that is not it."""
    read, found, at = json.JSONDecoder().raw_decode, [], 0
    try:
        text = raw.decode().strip()
        while at < len(text):
            value, at = read(text, at)
            found.append(value)
            at += len(text[at : at + 1000]) - len(text[at : at + 1000].lstrip())
    except (ValueError, RecursionError):
        return []
    return found if all(isinstance(value, (dict, list)) for value in found) else []
