"""The timeline of a report: its rows, and the lifecycle moments that its words mark beyond doubt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from . import report_clocks
from .markdown_text import Document, Line, Table, plain
from .report_fields import is_timeline, states_time

NAME = re.compile(r"\btime ?line\b|\bchronology\b|\bsequence of events\b|\bevent log\b")
_ALL_TIMES = re.compile(
    r"[\W_]{0,3}(?:note:?\s)?(?:all\s|the\s)?(?:dates? (?:and|&) )?(?:clock\s)?time(?:s|stamps?)?\b.{0,60}\b(?:in|are|is)\b",
    re.IGNORECASE,
)
# What may look like a moment but is not: doubt, trial, hope, questions
_UNSURE = re.compile(
    r"\b(?:not|never|no longer|if|until|unless|partial(?:ly)?|believed?|assumed?|appears?|seems?|thought"
    r"|potential(?:ly)?|temporar(?:y|ily)|attempt(?:ed|s)?|yet|still|should|would|could|might|may|to be|expected"
    r"|again|awaiting)\b|n['’]t\b|\?",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"\W{0,4}(?:start(?:ed)?|detect(?:ed|ion)|declared|acknowledged|mitigat(?:ed|ion)|resol(?:ved|ution)"
    r"|recover(?:ed|y)|restored):",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:no|not|never|none|nothing|partial(?:ly)?|attempt(?:ed|s)?|trying|tried|failed|pending|tbd|unknown)\b|n['’]t\b|\?",
    re.IGNORECASE,
)
_IT = r"(?:the\s|an\s|our\s)?(?:(?:major\s|production\s)?incident|issue|problem|outage|fault|impact)"
_BE = r"(?:was\s|is\s|has been\s)?"
_WE = r"(?:(?:we|[\w ]{1,30}\s(?:team|people))\s)?(?:officially\s)?"
_OPEN = r"(?!\s(?:as\s)?(?:resolved|over|closed|mitigated))"
_MARKS = {
    "started": rf"^{_IT}\s(?:began|begins|started|starts)\b|\((?:{_IT}\s)?(?:started|began)\)|^start(?:ed)?:",
    "detected": rf"^{_IT}\s{_BE}(?:detected|noticed|discovered)\b|^detect(?:ion|ed):|^discovery:"
    rf"|^(?:first\s|monitoring\s|automatic\s)?(?:alert|alarm)s?\s{_BE}(?:triggered|triggers|fired|fires|received)\b"
    r"|^(?:we\s)?received\s(?:the\s|an\s|a\s)?(?:first\s)?alert\b|\((?:issue\s|incident\s)?detected\)",
    "declared": rf"^(?:the\s|an\s|major\s)?incident\s{_BE}(?:officially\s)?declared\b{_OPEN}"
    rf"|^{_WE}declared?\s(?:the|an|a major)\sincident\b{_OPEN}",
    "acknowledged": rf"^(?:the\s)?(?:alert|page|alarm|incident)\s{_BE}acknowledged\b|^acknowledged(?:\sby\b|:)",
    "mitigated": rf"^{_IT}\s{_BE}mitigated\b|^mitigat(?:ion|ed):|\(mitigated\)",
    "resolved": rf"^{_IT}\s{_BE}(?:now\s)?(?:declared\s)?(?:as\s)?(?:fully\s)?resolved\b"
    rf"|^{_WE}declared?\s(?:the|an)\sincident\s(?:as\s)?resolved\b|^resolved[.:]?$|^(?:resolved|resolution|restored):"
    rf"|^recover(?:y|ed):|\(resolved\)|^customer\sconfirmed\s{_IT}\sresolved\b",
}
_MOMENTS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _MARKS.items()}


@dataclass
class Event:
    """One row of a timeline; `lack` is why `at` is None, as `report_clocks.read` says it."""

    at: datetime | None
    lack: str | None
    stated: str | None
    parts: list[str]
    line: int
    moment: str | None = None

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
        for zone in report_clocks.zones_in(part.text)
    ]


def read(document: Document, zone: tzinfo | None) -> list[Event]:
    """Rows of every timeline section, and of tables elsewhere whose header shows that they are one.

    `zone` is the file's. A nearer one goes first: the line's own, the column's, the heading's. A date is the
    line's own or that of the heading above it; no other is assumed.
    """
    events: list[Event] = []
    named = {id(section): section for section in document.under(NAME)}
    zone_here, day = zone, None
    outer = 0
    for section in document.sections:
        inside = id(section) in named
        if inside:
            if NAME.search(section.name) and (not outer or section.level <= outer):
                outer, zone_here, day = section.level, zone, None
            zone_here = _one(report_clocks.zones_in(section.title)) or zone_here
            day = report_clocks.day_in(section.title) or day
        else:
            outer = 0
        for part in section.content:
            if isinstance(part, Table):
                if is_timeline(part) or (inside and _has_times(part)):
                    events += _of_table(part, zone_here if inside else zone, day if inside else None)
            elif inside:
                day = _add(events, part, zone_here, day)
    for event in events:
        event.moment = moment(event.text)
    return events


def moment(text: str) -> str | None:
    """The lifecycle moment that `text` marks, where its words leave no doubt; else None."""
    label = _LABEL.match(text)  # after an explicit label, only its first words can take it back
    if label and _TAKEN_BACK.search(" ".join(text[label.end() : 500].split()[:3])):
        return None
    if label:
        text = label[0]
    elif _UNSURE.search(text[:500]):
        return None
    marked = [name for name, pattern in _MOMENTS.items() if pattern.search(text[:500])]
    return marked[0] if len(marked) == 1 else None


def _one(zones: list[tzinfo]) -> tzinfo | None:
    return zones[0] if len(zones) == 1 else None


def _add(events: list[Event], part: Line, zone: tzinfo | None, day: date | None) -> date | None:
    """Add a line of a timeline section to `events`; returns the date that holds from here on."""
    text = plain(part.text).strip("| ")  # a row of a table that Markdown does not take for one
    instant = report_clocks.read(text, day=day, within=zone)
    if instant.day and instant.lack == "clock" and not instant.rest and instant.stated.count(":") == 0:
        return instant.day  # a date on a line of its own is a heading
    if instant.stated:
        events.append(Event(instant.at, instant.lack, instant.stated, [instant.rest], part.line))
    elif states_time(part):
        return day
    elif part.depth == 1 and text:
        events.append(Event(None, None, None, [text], part.line))
    elif events and events[-1].line < part.line and text:
        events[-1].parts.append(text)
    return day


def _has_times(table: Table) -> bool:
    rows = [row for row in (table.header, *table.rows) if row.cells]
    return any(report_clocks.starts_with_time(plain(row.cells[0])) for row in rows)


def _of_table(table: Table, zone: tzinfo | None, day: date | None) -> Iterator[Event]:
    header = [plain(cell) for cell in table.header.cells]
    column_zone = _one(report_clocks.zones_in(" ".join(header[:2]))) or zone
    split = (
        len(header) > 2
        and header[0].lower().startswith("date")
        and re.match(r"(?i)time|clock|hour", header[1])
    )
    rows = table.rows
    if header and report_clocks.starts_with_time(header[0]):
        rows = [table.header, *rows]
    for row in rows:
        cells = [plain(cell) for cell in row.cells]
        first, others = (" ".join(cells[:2]).strip(), cells[2:]) if split else (cells[0], cells[1:])
        text = " | ".join(cell for cell in others if cell)
        if not first and not text:
            continue
        instant = report_clocks.read(first, day=day, within=column_zone)
        lack = instant.lack
        if first and (not instant.stated or instant.rest.strip(" .")):
            lack = lack or "it is not understood"
        yield Event(instant.at, lack, first or None, [text], row.line)
