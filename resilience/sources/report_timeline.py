"""The timeline of a report: its rows, and the lifecycle moments that its words mark beyond doubt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from itertools import islice

from . import report_clocks, report_prose, report_updates, report_words
from .markdown_text import Document, Line, Section, Table, plain
from .report_clocks import Order
from .report_days import Base, Days, Placed, beginnings, falling
from .report_fields import is_timeline, states_time

NAME = re.compile(
    rf"\b(?:{report_words.TIMELINE})\b"
    r"|\btime ?lines?\b|\bchronology\b|\bsequence of events\b|\b(?:event|incident) log\b|^log of events\b"
)
_ALL_TIMES = re.compile(
    r"[\W_]{0,3}(?:note:?\s)?(?:all\s|the\s)?(?:dates? (?:and|&) )?(?:clock\s)?time(?:s|stamps?)?\b.{0,60}\b(?:in|are|is)\b"
    rf"|.{{0,20}}\b(?:{report_words.ALL_TIMES})"
    r"|.{0,60}\ball\s(?:dates? (?:and|&) )?(?:clock\s)?times?(?:stamps?)?\b",
    re.IGNORECASE,
)
MAX_PROSE = 500
"""Sentences with a time that are read as a timeline: more is no story but a log."""
# What may look like a moment but is not: doubt, trial, hope, questions
_UNSURE = re.compile(
    r"\b(?:not|never|no longer|if|until|unless|partial(?:ly)?|believed?|assumed?|appears?|seems?|thought"
    r"|potential(?:ly)?|temporar(?:y|ily)|attempt(?:ed|s)?|yet|still|should|would|could|might|may|to be|expected"
    rf"|again|awaiting|{report_words.UNSURE})\b|n['’]t\b|\?",
    re.IGNORECASE,
)
_ZONE_HEADER = re.compile(r"(?i)tz|zone|time ?zone|utc offset")
_LABEL = re.compile(
    r"\W{0,4}(start(?:ed)?|began|detect(?:ed|ion)|declared|acknowledged|mitigat(?:ed|ion)|repaired|resol(?:ved|ution)"
    r"|recover(?:ed|y)|restored|ended)(?:[\])]|\s?[:|]|\s[-–—]\s)",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:no|not|never|none|nothing|partial(?:ly)?|attempt(?:ed|s)?|trying|tried|failed|pending|tbd|unknown)\b|n['’]t\b|\?",
    re.IGNORECASE,
)
_IT = (
    r"(?:the\s|an\s|our\s)?(?:major\s|production\s|customer\s|user\s|service\s)?"
    r"(?:incident|issue|problem|outage|fault|impact|downtime|degradation|disruption)"
)
_BE = r"(?:was\s|is\s|has been\s)?"
_WE = r"(?:(?:we|[\w ]{1,30}\s(?:team|people))\s)?(?:officially\s)?"
_OPEN = r"(?!\s(?:as\s)?(?:resolved|over|closed|mitigated))"
_ENDING = r"(?!.{0,200}\b(?:recover|fix|resol|restor|normal|works?\b|working\b))"
_MARKS = {
    "started": rf"^{_IT}\s(?:began|begins|started|starts|start\stime)\b|\((?:{_IT}\s)?(?:started|began)\)"
    rf"|^(?:start(?:ed)?|began):|^start\sof\s{_IT}\b",
    "detected": rf"^{_IT}\s{_BE}(?:detected|noticed|discovered)\b|^detect(?:ion|ed):|^discovery:|^(?:detected|noticed)[.]?$"
    rf"|^(?:(?:first|monitoring|internal|automat(?:ic|ed))\s){{0,2}}(?:alert|alarm)s?\s{_BE}(?:triggered|triggers|fired|fires|received)\b"
    r"|^(?:we\s)?received?\s(?:the\s|an\s|a\s)?(?:first\s)?alert\b|\((?:issue\s|incident\s)?detected\)"
    r"|^(?:we|the team|(?:the\s|our\s)?on-?call(?:\sengineer)?)\s(?:was|were|is|are|got|gets)\s(?:alerted|paged)\b"
    rf"|^(?:some\s|several\s|first\s|a\s|an\s)?(?:customer|user)s?\s(?:start(?:ed)?\sto\s)?report(?:s|ed)?\b{_ENDING}",
    "declared": rf"^(?:the\s|an\s|major\s)?incident\s{_BE}(?:officially\s)?declared\b{_OPEN}"
    rf"|^{_WE}declared?\s(?:the|an|a major)\sincident\b{_OPEN}|^declared:",
    "acknowledged": r"^(?:the\s)?on-?call(?:\sengineer)?\sacknowledged\b|"
    rf"^(?:the\s)?(?:alert|page|alarm|incident)\s{_BE}acknowledged\b|^acknowledged(?:\sby\b|:)",
    "mitigated": rf"^{_IT}\s{_BE}(?:mitigated|repaired)\b|^(?:mitigat(?:ion|ed)|repaired):|\(mitigated\)"
    r"|^(?:customer\s|user\s)?impact\s(?:ends|ended|stops|stopped|is over)\b|^mitigated[.]?$",
    "resolved": rf"^{_IT}\s{_BE}(?:now\s)?(?:declared\s)?(?:as\s)?(?:fully\s)?resolved\b"
    rf"|^{_WE}declared?\s(?:the|an)\sincident\s(?:as\s)?resolved\b|^resolved[.:]?$|^(?:resolved|resolution|restored):"
    rf"|^(?:recover(?:y|ed)|ended):|\(resolved\)|^customer\sconfirmed\s{_IT}\sresolved\b"
    r"|^(?:the\s)?(?:incident|outage|downtime)\s(?:ends|ended|is over|was over)\b"
    r"|^full(?:y)?\srecover(?:y|ed)\b"
    r"|^(?:the\s|all\s)?services?\s(?:(?:was|is|were|are|has been|have been)\s)?(?:fully\s)?(?:restored|recovered)\b",
}
_MOMENTS = {
    name: re.compile("|".join(filter(None, [pattern, report_words.MARKS.get(name)])), re.IGNORECASE)
    for name, pattern in _MARKS.items()
}
_PIECE = re.compile(r"\s\|\s|(?<=[.!])\s+(?=[A-Z])")
_CLOSES = re.compile(
    r"^(?:the\s)?(?:incident|ticket)\s(?:was\s|is\s)?(?:officially\s)?closed\b|^closed[.:]?$", re.I
)


@dataclass
class Event:
    """One row of a timeline; `lack` is why `at` is None, as `report_clocks.read` says it."""

    at: datetime | None
    lack: str | None
    stated: str | None
    parts: list[str]
    line: int
    moment: str | None = None
    date_from: str | None = None
    date_note: str | None = None
    end: int = 0

    def __post_init__(self) -> None:
        self.end = self.line

    @property
    def text(self) -> str:
        return " ".join(filter(None, self.parts))


def zones_of_all_times(document: Document) -> list[tuple[tzinfo, int]]:
    """Zones of sentences such as 'All times in CET.', with their lines."""
    return [
        (zone, part.line)
        for section in document.sections
        for part in section.content
        if isinstance(part, Line) and len(part.text) < 160 and _ALL_TIMES.match(part.text)
        for zone in report_clocks.zones_in(plain(part.text))
    ]


def read(
    document: Document,
    zone: tzinfo | None,
    base: Base | None = None,
    order: Order | None = None,
    near: date | None = None,
) -> list[Event]:
    """Rows of every timeline section and of tables elsewhere whose header shows that they are one; else a status page's
    updates; else sections whose lines begin with times; else sentences with a time, which mark no moment.

    `zone` is the file's. A nearer one goes first: the line's own, the column's, the heading's. A date is the
    line's own, else that of the nearest row or heading above it, else `base`; `Event.date_from` says which. A
    date without a year that has no other near it takes that of `near`.
    """
    walk = _Walk(zone, base, order, near)
    events = walk.through(document.sections, {id(section) for section in document.under(NAME)}, NAME)
    if any(event.stated for event in events):
        _mark(events)
        return events
    if updates := report_updates.read(document, zone, walk.days(falls=True)):
        said = report_updates.moments(updates)
        for i, one in enumerate(updates):
            placed = one.placed or Placed(report_clocks.read(""))
            text = ": ".join(filter(None, [one.label.capitalize(), " ".join(one.texts)]))
            events.append(_event(placed, [text], one.line))
            events[-1].moment = said.get(i)
        return events
    runs = {id(s) for s in document.sections if not report_prose.NOT_TOLD.search(s.name) and _is_run(s)}
    if runs:
        events += walk.through(document.sections, runs, None)
        _mark(events)
        return events
    told = report_prose.told(document, zone, walk.days(), order)
    return [*events, *(_event(placed, [text], line) for placed, text, line in islice(told, MAX_PROSE))]


def _is_run(section: Section) -> bool:
    """True where three or more lines, and most of them, begin with a clock time: a timeline without that name."""
    lines = [part for part in section.content if isinstance(part, Line) and part.text.strip()]
    items = [part for part in lines if part.depth] or lines
    timed = [part for part in items if report_clocks.read(plain(part.text[:200])).clock]
    return len(timed) >= 3 and 2 * len(timed) >= len(items)


@dataclass(frozen=True)
class _Walk:
    """From the top of a document to its end, with what dates and zones hold at the beginning of every timeline."""

    zone: tzinfo | None
    base: Base | None
    order: Order | None
    near: date | None

    def days(self, clocks: list[time] | None = None, *, falls: bool = False) -> Days:
        return Days(self.base, self.order, clocks=clocks, falls=falls, near=self.near)

    def through(self, sections: list[Section], within: set[int], name: re.Pattern[str] | None) -> list[Event]:
        """Events of the sections whose `id` is in `within`; those that match `name` (all, without one) begin a timeline."""
        events: list[Event] = []
        zone, days, outer = self.zone, self.days(), 0
        for i, section in enumerate(sections):
            inside = id(section) in within
            if inside:
                if name is None or (name.search(section.name) and (not outer or section.level <= outer)):
                    outer, zone = section.level, self.zone
                    clocks = beginnings(list(_lines_of(sections, i)), self.zone)
                    days = self.days(clocks, falls=falling(_beginnings(section), self.zone))
                zone = _one(report_clocks.zones_in(section.title)) or zone
                placed = days.place(section.title, zone)
                if placed.instant.clock and section.level > outer:
                    events.append(_event(placed, [placed.instant.rest], section.line))
                elif day := report_clocks.day_in(section.title, self.order):
                    days.heading(day)
                elif section.level > outer:
                    days.turn(section.title)
            else:
                outer = 0
            for part in section.content:
                if isinstance(part, Line):
                    if inside:
                        _add(events, part, zone, days, name is not None)
                elif name and (is_timeline(part) or (inside and _time_column(part) is not None)):
                    firsts = [plain(row.cells[0]) for row in part.rows if row.cells]
                    clocks, falls = beginnings(firsts, self.zone), falling(firsts, self.zone)
                    alone = self.days(clocks, falls=falls)
                    events += _of_table(
                        part, zone if inside else self.zone, days if inside and not falls else alone
                    )
        return events


def moment(text: str) -> str | None:
    """The lifecycle moment that `text` marks, where its words leave no doubt; else None."""
    label = _LABEL.match(text)  # after an explicit label, only its first words can take it back
    if label and _TAKEN_BACK.search(" ".join(text[label.end() : 500].split()[:3])):
        return None
    if label:
        text = f"{label[1]}:"
    elif _UNSURE.search(text[:500]):
        return None
    pieces = {
        text[:500],
        *_PIECE.split(text[:500]),
    }  # cells and sentences: 'We rolled back. Incident resolved.'
    marked = {name for name, pattern in _MOMENTS.items() for piece in pieces if pattern.search(piece)}
    return marked.pop() if len(marked) == 1 else None


def _mark(events: list[Event]) -> None:
    for event in events:
        event.moment = moment(event.text)
    if not any(event.moment == "resolved" for event in events):
        for event in events:  # some houses close an incident and have no other word for its end
            if event.moment is None and any(map(_CLOSES.search, _PIECE.split(event.text[:200]))):
                event.moment = "resolved"


def _one(zones: list[tzinfo]) -> tzinfo | None:
    return zones[0] if len(zones) == 1 else None


def _event(placed: Placed, parts: list[str], line: int, stated: str | None = None) -> Event:
    instant = placed.instant
    told = instant.stated if stated is None else stated
    return Event(
        instant.at, instant.lack, told or None, parts, line, date_from=placed.origin, date_note=placed.note
    )


def _beginnings(section: Section) -> list[str]:
    return [plain(part.text[:200]) for part in section.content if isinstance(part, Line)]


def _lines_of(sections: list[Section], first: int) -> Iterator[str]:
    """Where the lines, rows and headings of a timeline begin: the section at `first` and the deeper ones under it."""
    for i in range(first, len(sections)):
        section = sections[i]
        if i > first and section.level <= sections[first].level:
            return
        yield from [plain(section.title[:200])] if i > first else []
        for part in section.content:
            if isinstance(part, Line):
                yield plain(part.text[:200])
            else:
                yield from (plain(row.cells[0]) for row in part.rows if row.cells)


def _add(events: list[Event], part: Line, zone: tzinfo | None, days: Days, named: bool) -> None:
    """Add a line of a timeline section to `events`; a date on a line of its own is a heading.

    Without the name of one (`named`) only lines with times count, and those right below them.
    """
    text = plain(part.text).strip("| ")  # a row of a table that Markdown does not take for one
    placed = days.place(text, zone)
    instant = placed.instant
    if instant.day and instant.lack == "clock" and re.fullmatch(r"(?:\(.{0,80}\))?", instant.rest):
        days.heading(instant.day)
    elif instant.clock is None and days.turn(text):
        return
    elif instant.stated:
        events.append(_event(placed, [instant.rest], part.line))
    elif states_time(part) or not (named or (events and not part.depth and events[-1].end + 1 == part.line)):
        return
    elif part.depth == 1 and text:
        events.append(Event(None, None, None, [text], part.line))
    elif events and events[-1].line < part.line and text and not _ALL_TIMES.match(text):
        events[-1].parts.append(text)
        events[-1].end = part.line


def _time_column(table: Table) -> int | None:
    """The first or second column, whichever holds times in any row; None where neither does."""
    rows = [row for row in (table.header, *table.rows) if row.cells]
    for i in (0, 1):
        if any(report_clocks.starts_with_time(plain(row.cells[i])) for row in rows if len(row.cells) > i):
            return i
    return None


def _of_table(table: Table, zone: tzinfo | None, days: Days) -> Iterator[Event]:
    header = [plain(cell) for cell in table.header.cells]
    place = _time_column(table) or 0
    named = report_clocks.zones_in(header[place]) if place < len(header) else []
    column_zone = _one(named or report_clocks.zones_in(" ".join(header[:2]))) or zone
    zones_at = next((i for i, cell in enumerate(header) if _ZONE_HEADER.fullmatch(cell)), None)
    split = (
        len(header) > 2
        and header[0].lower().startswith("date")
        and re.match(r"(?i)time|clock|hour", header[1])
    )
    rows = table.rows
    if header and report_clocks.starts_with_time(header[0]):
        rows = [table.header, *rows]
    last_day = ""
    for row in rows:
        cells = [plain(cell) for cell in row.cells]
        if split:  # a date holds until the next
            last_day = cells[0] or last_day
            first, used = " ".join([last_day, *cells[1:2]]).strip(), {0, 1, zones_at}
        else:
            first, used = cells[place] if place < len(cells) else "", {place, zones_at}
        row_zone = column_zone
        if zones_at is not None and zones_at < len(cells):
            row_zone = report_clocks.zone(cells[zones_at])
        text = " | ".join(cell for i, cell in enumerate(cells) if cell and i not in used)
        if not first and not text:
            continue
        placed = days.place(first, row_zone)
        if placed.instant.day and placed.instant.lack == "clock" and not text:
            days.heading(placed.instant.day)
            continue
        if placed.instant.clock is None and not text and days.turn(first):
            continue
        event = _event(placed, [text], row.line, first)
        if first and (not placed.instant.stated or placed.instant.rest.strip(" .")):
            event.lack = event.lack or "it is not understood"
        yield event
