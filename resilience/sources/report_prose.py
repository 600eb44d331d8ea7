"""Times that only sentences tell: those of a story, and the impact's span: 'Between 10:00 and 11:30 UTC on 3 May, ...'."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from . import report_clocks
from .markdown_text import Document
from .report_clocks import Order
from .report_days import Base, Days, Placed

NOT_TOLD = re.compile(
    r"\b(?:action|follow|lesson|next steps|went|lucky|prevent|better|improve|appendix|glossary|to ?do)"
)
_SPOKEN = re.compile(r"(?:^|\b(?:at|around|about|by|since|from|on)\s+~?)\Z", re.IGNORECASE)
_SPAN = re.compile(r"\b(?:between|from)\s(?:about\s|around\s|approximately\s|roughly\s)?", re.IGNORECASE)
_AND = re.compile(r"\s{0,3}(?:,\s)?(?:\b(?:and|to|until|till|through)\b|[-–—])\s{1,3}", re.IGNORECASE)
_IMPACT = re.compile(
    r"\b(?:experienc|impact|affect|outage|unavailab|inaccessib|error|degrad|disrupt|latenc|fail|down\b|downtime|interrupt"
    r"|unable|could not|unreachable|slow)",
    re.IGNORECASE,
)
_WORK = re.compile(
    r"\b(?:engineers?|investigat|deploy|roll(?:ed|ing)? ?(?:back|out)|fix|restart|upgrad|maintenance|releas|switch|test|plan"
    r"|expected|usual|normally|typical|average)",
    re.IGNORECASE,
)
_LOOKED_AT = 200  # sentences
_DAY = timedelta(days=1)
_LONGEST = timedelta(days=14)


@dataclass(frozen=True)
class Span:
    """When the impact began and ended by a sentence, in UTC, and its line."""

    began: datetime
    ended: datetime
    line: int


def told(
    document: Document, zone: tzinfo | None, days: Days, order: Order | None
) -> Iterator[tuple[Placed, str, int]]:
    """Sentences that hold one clock time each, as 'At 09:41 (GMT+1) we deployed.', with their lines."""
    for section in document.sections:
        if NOT_TOLD.search(section.name):
            continue
        if day := report_clocks.day_in(section.title, order) if section.level else None:
            days.heading(day)
        for paragraph in document.paragraphs(section):
            for sentence, line in paragraph:
                at = report_clocks.first_time_in(sentence)
                if at is None and (day := report_clocks.day_with_clocks(sentence, order)):
                    days.heading(day, "row above")  # two times, as of a span: their day holds on
                if at is None or not _SPOKEN.search(sentence[max(0, at - 12) : at]):
                    continue
                placed = days.place(sentence[at:], zone)
                if placed.instant.clock:
                    yield placed, sentence, line


def span(
    document: Document, zone: tzinfo | None, base: Base | None, order: Order | None, near: date | None
) -> Span | None:
    """The one span in which, by its sentences, customers were hit; None where they tell of none, or of two that differ."""
    sentences = (
        one
        for section in document.sections
        if not NOT_TOLD.search(section.name)
        for paragraph in document.paragraphs(section)
        for one in paragraph
    )
    found: dict[tuple[datetime, datetime], Span] = {}
    day = base.day if base and not base.written else None
    for _, (sentence, line) in zip(range(_LOOKED_AT), sentences, strict=False):
        if _IMPACT.search(sentence[:600]) and not _WORK.search(sentence[:600]):
            for match in _SPAN.finditer(sentence[:400]):
                if one := _read(sentence[match.end() : 600], sentence, line, zone, day, order, near):
                    found.setdefault((one.began, one.ended), one)
    return next(iter(found.values())) if len(found) == 1 else None


def _read(
    text: str,
    sentence: str,
    line: int,
    zone: tzinfo | None,
    day: date | None,
    order: Order | None,
    near: date | None,
) -> Span | None:
    """The span at the start of `text`. An end without date or zone takes the other's, then the report's."""
    joins = (m for m in _AND.finditer(text[:120]) if report_clocks.read(text[: m.start()]).clock)
    join = next(joins, None)
    if join is None:
        return None
    first, second = text[: join.start()].rstrip(" ,"), text[join.end() :]
    alone = report_clocks.day_with_clocks(sentence, order)
    years = [report_clocks.read(written, order=order).day for written in (first, second)]
    near = next((found for found in (*years, alone, day) if found), near)
    one, two = (report_clocks.read(written, order=order, near=near) for written in (first, second))
    if one.clock is None or two.clock is None or one.rest.strip(" ,."):
        return None
    named: list[tzinfo | None] = [*report_clocks.zones_in(two.stated)] or [zone]
    zones = [*report_clocks.zones_in(one.stated)] or named
    starts = one.day or two.day or alone or day
    if starts is None or len(named) > 1 or len(zones) > 1:
        return None
    began = report_clocks.read(first, day=starts, within=zones[0], order=order, near=near).at
    ended = report_clocks.read(second, day=two.day or starts, within=named[0], order=order, near=near).at
    if began and ended and ended <= began and two.day is None:
        ended = report_clocks.read(second, day=starts + _DAY, within=named[0], order=order, near=near).at
    return Span(began, ended, line) if began and ended and timedelta(0) < ended - began < _LONGEST else None
