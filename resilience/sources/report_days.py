"""Which day a clock time belongs to: that of its line, else the nearest that stands above it. The choice is recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo

from . import report_clocks, report_turns
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
_NAMELESS = "what it says of its day names no date here"
_UNSURE = "it is half a day or more from the stated start: that day, or a neighbour"


@dataclass(frozen=True)
class Base:
    """The day of a whole report, whence it is taken (as `timeline.date_from` says), and where it stands."""

    day: date
    origin: str
    where: str
    written: bool = False
    """True where it may be the day of writing rather than that of the incident."""
    clock: time | None = None
    """Clock time stated with it, and the instant in UTC where its zone is stated too: midnight may lie between it and the
    first line of a timeline."""
    at: datetime | None = None


@dataclass(frozen=True)
class Placed:
    """An instant with the origin of its date, None where it has no date, and a note on it."""

    instant: Instant
    origin: str | None = None
    note: str | None = None


def base(document: Document, stated: dict[str, list[Fact]], stem: str, order: Order | None) -> Base | None:
    """The report's own day: a field, its title, front matter, file name. None where none names one day."""
    matter = {id(fact) for facts in stated.values() for fact in facts if fact.front}
    # 'Date' may be that of the report: where the start is stated with another, that one is right
    for name in ("started_at", "date", "detected_at"):
        for fact in stated.get(name, []):
            day = None if id(fact) in matter and name == "date" else _of(fact, order)
            if day:
                origin = "front matter" if fact.front else "field"
                said = report_clocks.read(fact.value, within=fact.zone, order=order)
                return Base(day, origin, f"{fact.key} in line {fact.line}", clock=said.clock, at=said.at)
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

    def __init__(
        self,
        start: Base | None,
        order: Order | None,
        *,
        clocks: list[time] | None = None,
        falls: bool = False,
        near: date | None = None,
    ) -> None:
        """`clocks` are those at the beginning of the lines to come, `falls` whether they only ever fall."""
        self._start, self._order, self._falls, self._near = start, order, falls, near
        self._day = start.day if start else None
        self._origin = start.origin if start else None
        self._note: str | None = None
        self._last: datetime | None = (
            None  # local time of the line above, and the same in UTC where it has a zone
        )
        self._last_utc: datetime | None = None
        self._anchor = self._day  # whence 'the next day' counts: the day before midnight was passed
        self._passed = self._marked = False  # midnight, by a line above; the line above, by words of its own
        self._unsure = False
        self._clocks = clocks or []

    def heading(self, day: date, origin: str = "heading") -> None:
        """From here on `day` holds."""
        self._day = self._anchor = day
        self._origin, self._last, self._last_utc, self._note = origin, None, None, None
        self._passed = self._marked = self._unsure = False

    def turn(self, text: str) -> bool:
        """Whether `text` on its own says that another day begins, as 'Tuesday' does: it holds, or none does."""
        said = report_turns.above(text)
        if said is None:
            return False
        day = self._turned(said, None)
        if day is None:
            self._lose()
            return True
        self.heading(day)
        self._note = f"by the words {text[:40]!r} above"
        return True

    def place(self, text: str, zone: tzinfo | None) -> Placed:
        """The time at the start of `text`, with its day."""
        said, begin = None, 0
        instant = report_clocks.read(text, day=self._day, within=zone, order=self._order, near=self._near)
        if not instant.stated:
            said, begin = report_turns.before(text)
            instant = report_clocks.read(
                text[begin:], day=self._day, within=zone, order=self._order, near=self._near
            )
        if instant.clock is None and instant.day is None:
            return Placed(instant)
        if instant.day:
            if instant.clock:
                self._day = self._anchor = instant.day
                self._origin, self._note = "row above", None
                self._passed = self._marked = self._unsure = False
                self._reached(instant)
            return Placed(instant, "line", instant.note)
        if said is None and instant.clock:
            said, end = report_turns.behind(instant.rest)
            if said:
                words = f"{instant.stated} {instant.rest[:end].strip(' ,:-–—')}"
                instant = replace(instant, stated=words, rest=instant.rest[end:].strip())
        elif said:
            instant = replace(instant, stated=f"{text[:begin].strip()} {instant.stated}")
        if instant.clock is None or instant.lack not in (None, "zone", "date"):
            return Placed(instant)
        if said:
            day = self._turned(said, instant.clock)
            if day is None:
                self._lose()
                return Placed(replace(instant, at=None, lack=_NAMELESS))
            self._day, self._origin, self._note = day, "line", f"by its words {instant.stated!r}"
            self._passed, self._marked, self._unsure = False, True, False
            instant = self._again(instant, text[begin:], zone)
            self._reached(instant)
            return Placed(instant, self._origin, self._note)
        if self._last is None and self._day and self._origin in ("field", "front matter"):
            self._begin(instant)
            instant = self._again(instant, text[begin:], zone)
        if self._day is None or instant.clock is None:
            return Placed(replace(instant, lack=_UNSURE) if self._unsure else instant)
        return self._by_the_line_above(self._day, instant.clock, instant, text[begin:], zone)

    def _by_the_line_above(
        self, day: date, clock: time, instant: Instant, text: str, zone: tzinfo | None
    ) -> Placed:
        """`instant` on the day of the line above, or the next where midnight has passed in between."""
        back = timedelta(0)
        if self._last and not self._falls:
            back = self._last - datetime.combine(day, clock)
            if instant.at and self._last_utc and (across := self._last_utc - instant.at) != back:
                # another zone: its clock may be on another day than that of the line above
                ahead = (timedelta(days=n) for n in (-1, 0, 1) if timedelta(days=n) - across >= -_SLIP)
                moved = min(ahead, default=timedelta(0))
                self._day = day = day + moved
                instant = self._again(instant, text, zone)
                back = across - moved
        if self._last and back >= NIGHT:
            self._note = f"after midnight, as {self._last:%H:%M} stands above"
            self._day, self._passed = day + timedelta(days=1), True
            self._anchor = day if self._marked else self._anchor
            instant = self._again(instant, text, zone)
        elif self._last and back > _SLIP:
            self._lose()  # what follows is not known either
            return Placed(replace(instant, at=None, lack=_LOST))
        elif not self._passed:
            self._anchor = self._day
        self._marked = False
        self._reached(instant)
        return Placed(instant, self._origin, self._note)

    def _begin(self, instant: Instant) -> None:
        """The day of a first line, from the stated start: the same, or a neighbour where midnight lies between them."""
        start = self._start
        if start is None or start.clock is None or instant.clock is None or self._falls or self._day is None:
            return
        begun = datetime.combine(start.day, start.clock)
        if start.at and instant.at:  # both by the clock of the line's zone
            east = datetime.combine(self._day, instant.clock) - instant.at.replace(tzinfo=None)
            begun = start.at.replace(tzinfo=None) + east
        shift = _shift(begun, [instant.clock, *self._clocks])
        self._day = begun.date()
        self._day = self._anchor = None if shift is None else self._day + timedelta(days=shift)
        self._unsure = shift is None
        if shift:
            self._note = f"midnight lies between it and {start.clock:%H:%M}, the stated start"

    def _again(self, instant: Instant, text: str, zone: tzinfo | None) -> Instant:
        """`instant` of `text` on the day that now holds."""
        moved = report_clocks.read(text, day=self._day, within=zone, order=self._order, near=self._near)
        return replace(instant, at=moved.at, lack=moved.lack)

    def _reached(self, instant: Instant) -> None:
        day = instant.day or self._day
        if day is None or instant.clock is None:
            return
        at = datetime.combine(day, instant.clock)
        forward = self._last is None or instant.day is not None or at > self._last or self._falls
        later = instant.at and self._last_utc and instant.at > self._last_utc
        if forward or later:
            self._last, self._last_utc = at, instant.at

    def _turned(self, said: report_turns.Turn, clock: time | None) -> date | None:
        if said.after is None:
            first = self._start.day if self._start and not self._start.written else None
            begun = self._last is not None
            return report_turns.resolve(said, self._day, first=first, begun=begun, falls=self._falls)
        if self._day is None or self._anchor is None or self._falls:
            return None
        near, far = (day + timedelta(days=said.after) for day in (self._anchor, self._day))
        if near == far or (clock and self._last and datetime.combine(near, clock) <= self._last):
            return far
        return near if self._marked else None

    def _lose(self) -> None:
        self._day = self._origin = self._last = self._last_utc = self._note = self._anchor = None
        self._passed = self._marked = self._unsure = False


def _shift(start: datetime, clocks: list[time]) -> int | None:
    """Days from the stated `start` to the first of `clocks`, by which of them is the start; None where it may be either."""
    if not clocks or abs(datetime.combine(start, clocks[0]) - start) < NIGHT:
        return 0
    fits = []
    for shift in (-1, 0, 1):
        at = datetime.combine(start, clocks[0]) + timedelta(days=shift)
        for clock in clocks:
            then = datetime.combine(at, clock)
            at = then + timedelta(days=1) if at - then >= NIGHT else then
            if at == start:
                fits.append(shift)
                break
    return fits[0] if len(fits) == 1 else None


def beginnings(texts: list[str], zone: tzinfo | None) -> list[time]:
    """The clock times at the start of lines."""
    return [c for text in texts if (c := report_clocks.read(text, within=zone).clock)]


def falling(texts: list[str], zone: tzinfo | None) -> bool:
    """True where three or more clock times at the start of lines only ever fall, and no day rises: newest first."""
    read = [report_clocks.read(text, within=zone) for text in texts]
    days = [instant.day for instant in read if instant.day]
    if days != sorted(days, reverse=True) or any(report_turns.before(text)[0] for text in texts):
        return False
    clocks = [instant.clock for instant in read if instant.clock]
    return len(clocks) >= 3 and clocks == sorted(clocks, reverse=True) and len(set(clocks)) >= 3
