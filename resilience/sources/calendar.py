"""data/calendar.yml: freezes, sales, holidays, enlarged capacity and support hours, in the business's own days.

Five lists of entries: `freezes`, `sales`, `holidays`, `enlarged` (each with `title` and `on`, or `from` and `to`, and
perhaps `services`) and `support` (with `days` and clock times, or `from` and `to`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from .. import schema
from ..errors import InputError
from . import yaml_text
from .tracked import moment

NAMES = ("calendar.yml", "calendar.yaml")
_KIND = {
    "freezes": "freeze",
    "sales": "sale",
    "holidays": "holiday",
    "enlarged": "enlarged",
    "support": "support",
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WRITE_DAY = "Write a day, 2020-12-24, or a time with its offset, 2020-12-24T12:00:00+01:00."
_YEARS = range(2000, 2100)

_Words = Annotated[str, Field(min_length=1, max_length=200)]
_Service = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^,\s]+$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: _Words
    on: _Words | None = None
    from_: Annotated[_Words | None, Field(alias="from")] = None
    to: _Words | None = None


class _Dated(_Entry):
    services: Annotated[list[_Service], Field(min_length=1, max_length=1000)] | None = None


class _Support(_Entry):
    days: Annotated[list[_Words], Field(min_length=1, max_length=7)] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    freezes: list[Any] | None = None
    sales: list[Any] | None = None
    holidays: list[Any] | None = None
    enlarged: list[Any] | None = None
    support: list[Any] | None = None


def read(path: Path, uri: str, zone: str) -> pd.DataFrame:
    """Rows of the table `calendar`; days are those of `zone`, and the last one named is included.

    Raises InputError with the line of the first entry that is wrong: an unknown key, no time, an end before its start.
    """
    data, line_of = yaml_text.load(path, uri)
    if data is not None and not isinstance(data, dict):
        raise InputError(
            f"The file should hold the lists {', '.join(_KIND)}.",
            where=uri,
            line=1,
            remedy="See docs/calendar.md.",
        )
    lists = yaml_text.validate(_File, data or {}, line_of, uri)
    rows = []
    for name, kind in _KIND.items():
        for i, given in enumerate(getattr(lists, name) or []):
            line = line_of((name, i))

            def within(part: tuple[str | int, ...], name: str = name, i: int = i) -> int:
                return line_of((name, i, *part))

            if not isinstance(given, dict):
                remedy = "Write for example {title: Black Friday, from: 2020-11-23, to: 2020-11-30}."
                raise InputError(f"An entry of {name} is no mapping.", where=uri, line=line, remedy=remedy)
            entry = yaml_text.validate(_Support if kind == "support" else _Dated, given, within, uri)
            refuse = _refusing(uri, within)
            about = {"kind": kind, "position": i, "title": entry.title, "source": uri, "line": line}
            if isinstance(entry, _Support) and entry.days is not None:
                rows.append({**about, **_weekly(entry, refuse)})
            else:
                services = sorted(set(entry.services or [])) if isinstance(entry, _Dated) else []
                rows.append({**about, **_dated(entry, zone, refuse), "services": ", ".join(services) or None})
    return schema.frame("calendar", rows)


_Refuse = Callable[[str, str, str], InputError]


def _refusing(uri: str, within: Callable[[tuple[str | int, ...]], int]) -> _Refuse:
    def refuse(key: str, what: str, remedy: str) -> InputError:
        return InputError(what, where=uri, line=within((key,)), remedy=remedy)

    return refuse


def _dated(entry: _Entry, zone: str, refuse: _Refuse) -> dict[str, Any]:
    if (entry.on is None) == (entry.from_ is None) or (entry.from_ is None) != (entry.to is None):
        raise refuse(
            "title",
            f"{entry.title!r:.60} has no single day and no whole span.",
            "Give `on`, or `from` and `to`.",
        )
    first, last = ("on", "on") if entry.on is not None else ("from", "to")
    start = _moment(str(entry.on or entry.from_), zone, 0)
    end = _moment(str(entry.on or entry.to), zone, 1)
    if start is None or end is None:
        key = first if start is None else last
        written = entry.on if key == "on" else entry.from_ if key == "from" else entry.to
        raise refuse(key, f"{key}: {written!r:.60} is no day and no time with its offset.", _WRITE_DAY)
    if end <= start:
        raise refuse(last, f"{entry.title!r:.60} ends before it begins.", "Exchange `from` and `to`.")
    return {"starts_at": start, "ends_at": end}


def _moment(written: str, zone: str, days: int) -> datetime | None:
    """A time with offset, or the first moment of the local day `days` after the one written."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
        try:
            day = date.fromisoformat(written) + timedelta(days=days)
        except (ValueError, OverflowError):
            return None
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) if day.year in _YEARS else None
    return moment(written)


def _weekly(entry: _Support, refuse: _Refuse) -> dict[str, Any]:
    found = set()
    for day in entry.days or []:
        match = [i for i, name in enumerate(_DAYS) if len(day) >= 3 and name.startswith(day.strip().lower())]
        if len(match) != 1:
            raise refuse("days", f"{day!r:.60} is no weekday.", "Write mon, tue, wed, thu, fri, sat, sun.")
        found.add(match[0])
    if entry.on is not None:
        raise refuse("on", f"{entry.title!r:.60} has weekdays and a day.", "Keep `days`, or `on`.")
    minutes = {}
    for key, clock in (("from", entry.from_), ("to", entry.to)):
        parts = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", clock or "")
        minutes[key] = int(parts[1]) * 60 + int(parts[2]) if parts else -1
        if parts is None or int(parts[2]) > 59 or minutes[key] > 24 * 60:
            raise refuse(
                key, f"{key}: {clock!r:.60} is no time of the day.", "Write 08:00, or 24:00 for midnight."
            )
    if minutes["to"] <= minutes["from"]:
        raise refuse(
            "to",
            f"{entry.title!r:.60} ends before it begins.",
            "Write two entries where support goes on past midnight.",
        )
    weekdays = ",".join(map(str, sorted(found)))
    return {"weekdays": weekdays, "from_min": float(minutes["from"]), "until_min": float(minutes["to"])}
