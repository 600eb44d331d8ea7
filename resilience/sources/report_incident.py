"""One report's document as rows of `incidents`, `timeline`, `actions` and `problems`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any

from ..schema import KINDS
from . import (
    report_actions,
    report_clocks,
    report_days,
    report_durations,
    report_parts,
    report_prose,
    report_quality,
    report_timeline,
    report_times,
    report_words,
)
from .markdown_text import Document
from .problems import problem
from .report_durations import is_placeholder
from .report_fields import Fact, facts, first_word, listed, truth
from .report_timeline import Event

Row = dict[str, Any]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:#-]{0,79}")
_NAMED_ID = re.compile(r"([A-Z]{2,10}-?\d{1,8}(?:-\d{1,8})?)(?![A-Za-z0-9])")
_PARTS = re.compile(
    r"(?:executive |incident )?summary|time ?line|impact|root causes?|trigger|detection|resolution|stats|statistics"
    r"|action items?|lessons learned|contributing factors|overview|background|attendees"
)
_SUMMARY = re.compile(
    rf"^(?:(?:executive|incident|short|brief) )?(?:summary|overview|abstract|{report_words.SUMMARY})\b|^tl;?dr\b"
)
_TEMPLATE_NAME = re.compile(
    r"\b(?:post[- _]?mortem|incident|report|rca|pm)s?[- _]*template|^[\W_]*template[\W_]*$", re.I
)
_TEMPLATE_WORD = re.compile(r"(?<![A-Za-z])template(?![A-Za-z])", re.I)
_BLANK_FORM = re.compile(
    r"x{3,}|y{3,}|z{3,}|<[^<>]{1,60}>|\[[^\[\]]{1,60}\]|\{[^{}]{1,60}\}|20xx.{0,20}|yyyy.{0,20}", re.I
)
_CLASSES = {
    "monitor": re.compile(
        r"\b(?:monitor(?:s|ing)?|alert(?:s|ing)?|alarms?|automat(?:ed|ic|ically)|synthetics?"
        rf"|{report_parts.TOOLS})\b"
    ),
    "customer": re.compile(r"\b(?:customers?|clients?|buyers?|sellers?)\b"),
    "colleague": re.compile(r"\b(?:colleagues?|employees?|internal(?:ly)?|staff|engineers?|developers?)\b"),
    "partner": re.compile(r"\b(?:partners?|suppliers?|vendors?)\b"),
}
_DESK = re.compile(r"\bcustomer[- ](?:service|support|care)\b")
_TITLE_MAX = 300
_WINTER = re.compile(r"\b(?:PST|MST|EST|CET|MEZ|EET)\b")


@dataclass
class ReportRead:
    """Rows of one report; `incident_id` is not yet in its `parts`, by table. `blank` is why it is no report."""

    incident: Row
    parts: dict[str, list[Row]]
    problems: list[Row]
    blank: str | None = None


def read(document: Document, text: str, uri: str, stem: str, *, whole: Document | None = None) -> ReportRead:
    """Everything that `document` states. `text` is what it was read from, `stem` the file's name without suffix.

    `whole` is the file's document where `document` is only a part of it: its zone and its order of day and month hold.
    """
    told: list[Row] = []

    def tell(kind: str, message: str, remedy: str, *, line: int | None = None, field: str) -> None:
        told.append(problem(uri, kind, message, remedy, line=line, field=field))

    stated = facts(document, outside=document.under(report_actions.NAME))
    zone = _zone(document, stated, tell)
    if whole and zone is None:
        zone = _zone(whole, facts(whole, outside=()), lambda *said, **where: None)
    source = "\n".join(whole.source) if whole else text
    order, near = (
        report_clocks.order_in(source),
        report_clocks.month_in(" ".join(_headings(document, stated))),
    )
    base = report_days.base(document, stated, stem, order)
    events = report_timeline.read(document, zone, base, order, near)
    span = report_prose.span(document, zone, base, order, near)
    times = report_times.read(stated, events, zone, tell, base, order, span)
    _doubtful_lines(events, tell)
    _doubtful_days(events, base, tell)
    _doubtful_zones(text, [*(event.at for event in events), *times.at.values()], tell)
    _unread_timeline(document, events, tell)
    if len(events) == report_timeline.MAX_PROSE:
        what = f"Only the first {len(events)} times of its prose are read."
        tell("skipped", what, "Write a section 'Timeline' with the times that matter.", field="at")
    count, roles = report_parts.responders(document, stated)
    incident: Row = {
        "incident_id": _incident_id(stated, stem, uri, tell),
        "title": _title(document, stated, stem),
        "kind": _kind(stated, tell),
        "severity": _value(stated, "severity"),
        "services": listed(first_word(stated, "services")),
        "teams": listed(first_word(stated, "teams")),
        "environment": _value(stated, "environment"),
        "detected_by": _detected_by(document, stated, tell),
        "summary": _summary(document, stated),
        "impact": report_parts.impact(document, stated),
        "responders": count,
        "roles": roles,
        "text": text,
        "simulated": any(truth(fact.value) for fact in stated.get("simulated", [])),
        "source": "markdown",
        "source_uri": uri,
    }
    rows = [
        {"position": i, "at": e.at, "stated": e.stated, "date_from": e.date_from, "date_note": e.date_note}
        | {"moment": e.moment, "text": e.text, "line": e.line}
        for i, e in enumerate(events)
    ]
    incident |= times.at | times.minutes

    def clock(words: str) -> datetime | None:
        day = base.day if base else None
        return report_clocks.read(words, day=day, within=zone, order=order).at

    parts = {
        "timeline": rows,
        "actions": report_actions.read(document),
        "incident_factors": report_parts.factors(document, stated),
        "incident_messages": report_parts.messages(document, events, clock),
    }
    parts["incident_quality"] = report_quality.read(incident, parts, times.origin, zone, told)
    return ReportRead(incident, parts, told, _blank(document, stated, events, stem))


def _headings(document: Document, stated: dict[str, list[Fact]]) -> list[str]:
    """What names a whole report: its titles, and those of its front matter."""
    return [
        *(s.title for s in document.sections if s.level == 1),
        *(f.value for f in stated.get("title", [])),
    ]


def _zone(document: Document, stated: dict[str, list[Fact]], tell: report_times.Tell) -> tzinfo | None:
    """The zone of the whole file; None, told, where it names none that is known, or two."""
    found: dict[str, tuple[tzinfo, int]] = {}
    for fact in stated.get("zone", []):
        if known := report_clocks.zone(fact.value.rstrip(".")):
            found.setdefault(str(known), (known, fact.line))
        else:
            what = f"{fact.key}: {fact.value!r:.90} is no zone that can be used."
            tell("unreadable", what, report_times.ZONE_REMEDY, line=fact.line, field="at")
    for known, line in report_timeline.zones_of_all_times(document):
        found.setdefault(str(known), (known, line))
    if len(found) > 1:
        (one, first), (two, second) = list(found.values())[:2]
        what = f"The report is in {one} by line {first} and in {two} by line {second}; neither is used."
        tell("contradiction", what, "Keep one zone, or write it behind each time.", line=second, field="at")
        return None
    return next((known for known, _ in found.values()), None)


def _doubtful_lines(events: list[Event], tell: report_times.Tell) -> None:
    """One row for all times without a zone, one for all without a date; one each for what cannot be read."""
    remedies = {
        "zone": ("time zone", report_times.ZONE_REMEDY),
        "date": (
            "date",
            "Write the date in each line, or in a heading above them, such as '## Timeline 2020-11-04'.",
        ),
    }
    for lack, (noun, remedy) in remedies.items():
        lines = [event for event in events if event.lack == lack]
        if lines:
            what = (
                f"{len(lines)} of {len(events)} timeline times have no {noun}, first {lines[0].stated!r:.60}."
            )
            tell("missing", what, remedy, line=lines[0].line, field="at")
    for event in events:
        if event.lack and event.lack not in remedies:
            lack = "it has no hour and minute" if event.lack == "clock" else event.lack
            kind = "missing" if event.lack == "clock" else "unreadable"
            what = f"The timeline time {event.stated!r:.60} is not known: {lack}."
            tell(kind, what, "Write it as 2020-11-04 13:13, if it is known.", line=event.line, field="at")


def _doubtful_days(events: list[Event], base: report_days.Base | None, tell: report_times.Tell) -> None:
    """Told: a day that may be that of writing, and a timeline that goes back."""
    borrowed = [event for event in events if base and base.written and event.date_from == base.origin]
    if base and borrowed:
        what = f"{len(borrowed)} timeline times take their date from {base.where}, {base.day}: it may be the day of writing."
        remedy = "Write the date in each line, or in a heading above them, such as '## Timeline 2020-11-04'."
        tell("doubtful", what, remedy, line=borrowed[0].line, field="at")
    known = [(event, event.at) for event in events if event.at]
    back = [(one, two) for (one, a), (two, b) in pairwise(known) if b < a]
    if back and len(back) < len(known) - 1:  # newest first is an order too
        one, two = back[0]
        what = (
            f"{len(back)} timeline line(s) are earlier than the line above, first {two.stated!r:.60} in line {two.line} "
            f"after {one.stated!r:.60} in line {one.line}."
        )
        tell(
            "contradiction", what, "Correct the times, or put the lines in order.", line=two.line, field="at"
        )


def _doubtful_zones(text: str, times: list[datetime | None], tell: report_times.Tell) -> None:
    """Told: the name of a winter time in a report of summer, which many write all year round."""
    named = _WINTER.search(text)
    summer = [at for at in times if at and (at.month, at.day) > (3, 31) and (at.month, at.day) < (10, 24)]
    if named and summer:
        east = report_clocks.zone(named[0])
        what = f"{named[0]} is winter time, and {summer[0]:%Y-%m-%d} is in summer; the times count as {east}, as written."
        remedy = (
            "Nothing, if that is meant; else write the summer time's name, or a zone such as Europe/Berlin."
        )
        tell("doubtful", what, remedy, line=text.count("\n", 0, named.start()) + 1, field="at")


def _unread_timeline(document: Document, events: list[Event], tell: report_times.Tell) -> None:
    """Told: a section that is called a timeline, and in which no line begins with a time that is understood."""
    sections = list(document.under(report_timeline.NAME))
    lines = [line for s in sections for line in document.source[s.line : s.end] if line.strip()]
    read = any(s.line <= event.line <= s.end for event in events if event.stated for s in sections)
    if len(lines) > 1 and not read:
        first = f"first {lines[0].strip()!r:.60}"
        what = (
            f"Of the {len(lines)} lines of the timeline none begins with a time that is understood, {first}."
        )
        remedy = "Begin each line with its time, such as 2020-11-04 13:13 UTC, outside of code blocks."
        tell("unreadable", what, remedy, line=sections[0].line, field="at")


def _incident_id(stated: dict[str, list[Fact]], stem: str, uri: str, tell: report_times.Tell) -> str:
    for fact in stated.get("incident_id", []):
        # 'Incident: payments are down' states no id; every other key of an id states nothing else
        short = fact.key.lower() == "incident"
        if _ID.fullmatch(fact.value) and (not short or re.search(r"\d", fact.value)):
            return fact.value
        if not short and not is_placeholder(fact.value):
            what = f"{fact.key}: {fact.value!r:.90} cannot be an id; the file name is used."
            remedy = "Use letters, digits and . _ : # - only, at most 80, starting with a letter or digit."
            tell("unreadable", what, remedy, line=fact.line, field="incident_id")
    if named := _NAMED_ID.match(stem):
        return named[1]
    slug = re.sub(r"[\W_]+", "-", stem.lower()).strip("-")[:80].strip("-")
    return slug or "report-" + problem(uri, "missing", "", "")["problem_id"]


def _title(document: Document, stated: dict[str, list[Fact]], stem: str) -> str:
    tops = [s.title for s in document.sections if s.level == 1 and s.title and not _PARTS.fullmatch(s.name)]
    given = first_word(stated, "title")
    title = (tops[0] if tops else given.value if given else stem).strip() or stem
    return title if len(title) <= _TITLE_MAX else title[: _TITLE_MAX - 1] + "…"


def _value(stated: dict[str, list[Fact]], name: str) -> str | None:
    fact = first_word(stated, name)
    return fact.value[:200] if fact else None


def _kind(stated: dict[str, list[Fact]], tell: report_times.Tell) -> str:
    fact = first_word(stated, "kind")
    if fact is None:
        return "real"
    words = {"gameday": "drill", "game day": "drill", "exercise": "drill", "incident": "real"} | {
        k: k for k in KINDS
    }
    if kind := words.get(fact.value.lower().strip(" .")):
        return kind
    what = f"{fact.key}: {fact.value!r:.60} is not a kind; it counts as real."
    tell("unreadable", what, f"Write one of: {', '.join(KINDS)}.", line=fact.line, field="kind")
    return "real"


def _detected_by(document: Document, stated: dict[str, list[Fact]], tell: report_times.Tell) -> str:
    fact = first_word(stated, "detected_by")
    if fact is None:
        prose, line = report_parts.found_by(document, stated)
        named = next((f for f in stated.get("detected_at", []) if f.key.lower() == "detection"), None)
        if named and not prose and not report_parts.DENIED.search(named.value):
            prose, line = set(_finders(named.value)), named.line
        if len(prose) > 1:
            what = f"The text on detection names several who found it: {', '.join(sorted(prose))}."
            remedy = f"Write 'Detected by:' and the first of them: {', '.join(_CLASSES)}."
            tell("missing", what, remedy, line=line, field="detected_by")
        return prose.pop() if len(prose) == 1 else "unknown"
    if fact.value.lower() == "unknown":
        return "unknown"
    found = _finders(fact.value)
    if len(found) == 1:
        return found[0]
    what = f"{fact.key}: {fact.value!r:.60} names {'several' if found else 'none'} of the known."
    tell("unreadable", what, f"Write one of: {', '.join(_CLASSES)}.", line=fact.line, field="detected_by")
    return "unknown"


def _finders(words: str) -> list[str]:
    """Who is named in the value of a field; what customer service notices may come from a customer or a colleague."""
    text = _DESK.sub(" customer colleague ", words.lower()[:500])
    return [name for name, pattern in _CLASSES.items() if pattern.search(text)]


def _summary(document: Document, stated: dict[str, list[Fact]]) -> str | None:
    lines: list[str] = []
    for section in document.under(_SUMMARY):
        lines += document.source[section.line : section.end]
    text = "\n".join(lines).strip()
    fact = first_word(stated, "summary")
    return text or (fact.value if fact else None)


def _blank(document: Document, stated: dict[str, list[Fact]], events: list[Event], stem: str) -> str | None:
    """Why the file is a form that nobody filled in; None where it is a report.

    A report *about* a template, such as 'Broken email template', has times or durations; a form has none.
    """
    if _TEMPLATE_NAME.search(stem):
        return "Its name says that it is a template."
    values = [fact.value for found in stated.values() for fact in found]
    known = any(e.at or e.lack in ("date", "zone") for e in events) or any(
        report_clocks.read(value).day or report_durations.read(value).minutes is not None for value in values
    )
    if known:
        return None
    if _TEMPLATE_WORD.search(stem):
        return "Its name says template, and it holds neither a time nor a duration."
    forms = [*values, *(event.stated or "" for event in events)]
    empty = [value for value in forms if _BLANK_FORM.fullmatch(value)]
    titled = any(_TEMPLATE_WORD.search(s.title) for s in document.sections if s.level == 1)
    if len(empty) >= 2 or (titled and (empty or not values)):
        return "It is a form that nobody filled in: its values are placeholders."
    return None
