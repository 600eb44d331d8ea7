"""Which day a clock time belongs to: that of its line, else the nearest that stands above it. The choice is recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from . import report_clocks
from .markdown_text import Document
from .report_clocks import Instant, Order
from .report_fields import Fact

NIGHT = timedelta(hours=12)
"""Back by this much or more, a clock has passed midnight: 23:50, then 00:10."""
_SLIP = timedelta(hours=3)
"""Back by less, two lines have changed places. In between it may be either, and the day is not known."""
_FILE_DATE = re.compile(r"(?<!\d)(\d{4})[-_]?(\d{2})[-_]?(\d{2})(?!\d)")
_EARLIER = re.compile(
    r"\b(?:yesterday|the other day|last (?:night|week|weekend|month|(?:mon|tues|wednes|thurs|fri|satur|sun)day))\b",
    re.IGNORECASE,
)
_LOST = "it is earlier than the time above it: the next day, or a slip"


@dataclass(frozen=True)
class Base:
    """The day of a whole report, whence it is taken (as `timeline.date_from` says), and where it stands."""

    day: date
    origin: str
    where: str
    written: bool = False
    """True where it may be the day of writing rather than that of the incident."""
    clock: time | None = None
    """Clock time stated with it: a timeline that begins half a day before has passed midnight."""


@dataclass(frozen=True)
class Placed:
    """An instant with the origin of its date, None where it has no date, and a note on it."""

    instant: Instant
    origin: str | None = None
    note: str | None = None


def base(document: Document, stated: dict[str, list[Fact]], stem: str, order: Order | None) -> Base | None:
    """The report's own day: a field, its title, front matter, file name. None where none names one day."""
    matter = {id(fact) for facts in stated.values() for fact in facts if fact.front}
    for name in ("date", "started_at", "detected_at"):
        for fact in stated.get(name, []):
            day = None if id(fact) in matter and name == "date" else _of(fact, order)
            if day:
                origin = "front matter" if fact.front else "field"
                clock = report_clocks.read(fact.value, order=order).clock
                return Base(day, origin, f"{fact.key} in line {fact.line}", clock=clock)
    for section in document.sections:
        if section.level == 1 and (day := report_clocks.day_in(section.title, order)):
            return Base(day, "heading", f"the title in line {section.line}")
    for fact in stated.get("title", []):
        if day := report_clocks.day_in(fact.value, order):
            return Base(day, "front matter", f"{fact.key} in line {fact.line}")
    # what follows may be the day of writing; a text that looks back says that it is
    opening = " ".join(line for line in document.source[:40] if line.strip())[:2000]
    if _EARLIER.search(opening):
        return None
    for fact in stated.get("date", []):
        if day := _of(fact, order):
            return Base(day, "front matter", f"{fact.key} in line {fact.line}", written=True)
    for match in _FILE_DATE.finditer(stem):
        if (day := report_clocks.day_in("-".join(match.groups()))) is not None:
            return Base(day, "file name", "the file name", written=True)
    return None


def _of(fact: Fact, order: Order | None) -> date | None:
    return report_clocks.day_in(fact.value, order)


class Days:
    """The day that holds while a timeline is read from top to bottom."""

    def __init__(self, start: Base | None, order: Order | None, *, newest_first: bool = False) -> None:
        self._day = start.day if start else None
        self._origin = start.origin if start else None
        self._order, self._newest_first = order, newest_first
        self._last: datetime | None = None
        self._first = datetime.combine(start.day, start.clock) if start and start.clock else None
        self._note: str | None = None

    def heading(self, day: date, origin: str = "heading") -> None:
        """From here on `day` holds."""
        self._day, self._origin, self._last, self._first, self._note = day, origin, None, None, None

    def place(self, text: str, zone: tzinfo | None) -> Placed:
        """The time at the start of `text`, with its day."""
        instant = report_clocks.read(text, day=self._day, within=zone, order=self._order)
        if instant.clock is None and instant.day is None:
            return Placed(instant)
        if instant.day:
            if instant.clock:
                self._day, self._origin, self._note = instant.day, "row above", None
                self._last = datetime.combine(instant.day, instant.clock)
            return Placed(instant, "line", instant.note)
        if instant.clock is None or self._day is None or instant.lack not in (None, "zone"):
            return Placed(instant)
        at = datetime.combine(self._day, instant.clock)
        above = self._last or self._first
        back = above - at if above and not self._newest_first else timedelta(0)
        if above and back >= NIGHT:
            at += timedelta(days=1)
            self._day = at.date()
            self._note = f"after midnight, as {above:%H:%M} stands above"
            instant = report_clocks.read(text, day=self._day, within=zone, order=self._order)
        elif self._last and back > _SLIP:
            self._day = self._origin = self._last = None  # what follows is not known either
            return Placed(replace(instant, at=None, lack=_LOST))
        self._last, self._first = (max(at, self._last) if self._last else at), None
        return Placed(instant, self._origin, self._note)


def newest_first(texts: list[str], zone: tzinfo | None) -> bool:
    """True where the clock times at the start of three or more lines only ever fall."""
    clocks = [c for text in texts if (c := report_clocks.read(text, within=zone).clock)]
    return len(clocks) >= 3 and clocks == sorted(clocks, reverse=True) and len(set(clocks)) >= 3
