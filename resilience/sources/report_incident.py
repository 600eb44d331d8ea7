"""One report's document as rows of `incidents`, `timeline`, `actions` and `problems`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from ..schema import KINDS
from . import report_actions, report_clocks, report_durations, report_timeline, report_times
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
_SUMMARY = re.compile(r"^(?:(?:executive|incident|short|brief) )?(?:summary|overview|abstract)\b|^tl;?dr\b")
_TEMPLATE_NAME = re.compile(
    r"\b(?:post[- _]?mortem|incident|report|rca|pm)s?[- _]*template|^[\W_]*template[\W_]*$", re.I
)
_TEMPLATE_WORD = re.compile(r"(?<![A-Za-z])template(?![A-Za-z])", re.I)
_BLANK_FORM = re.compile(
    r"x{3,}|y{3,}|z{3,}|<[^<>]{1,60}>|\[[^\[\]]{1,60}\]|\{[^{}]{1,60}\}|20xx.{0,20}|yyyy.{0,20}", re.I
)
_CLASSES = {
    "monitor": re.compile(
        r"\b(?:monitor(?:s|ing)?|alert(?:s|ing)?|alarms?|automat(?:ed|ic|ically)|synthetics?)\b"
    ),
    "customer": re.compile(r"\b(?:customers?|clients?|buyers?|sellers?)\b"),
    "colleague": re.compile(r"\b(?:colleagues?|employees?|internal(?:ly)?|staff|engineers?|developers?)\b"),
    "partner": re.compile(r"\b(?:partners?|suppliers?|vendors?)\b"),
}
_DESK = re.compile(r"\bcustomer[- ](?:service|support|care)\b")
_TITLE_MAX = 300


@dataclass
class ReportRead:
    """Rows of one report; `incident_id` is not yet in `timeline` and `actions`. `blank` is why it is no report."""

    incident: Row
    timeline: list[Row] = field(default_factory=list)
    actions: list[Row] = field(default_factory=list)
    problems: list[Row] = field(default_factory=list)
    blank: str | None = None


def read(document: Document, text: str, uri: str, stem: str) -> ReportRead:
    """Everything that `document` states. `text` is the whole file, `stem` its name without suffix."""
    told: list[Row] = []

    def tell(kind: str, message: str, remedy: str, *, line: int | None = None, field: str) -> None:
        told.append(problem(uri, kind, message, remedy, line=line, field=field))

    stated = facts(document, outside=document.under(report_actions.NAME))
    zone = _zone(document, stated, tell)
    events = report_timeline.read(document, zone)
    times = report_times.read(stated, events, zone, tell)
    _doubtful_lines(events, tell)
    incident: Row = {
        "incident_id": _incident_id(stated, stem, uri, tell),
        "title": _title(document, stated, stem),
        "kind": _kind(stated, tell),
        "severity": _value(stated, "severity"),
        "services": listed(first_word(stated, "services")),
        "teams": listed(first_word(stated, "teams")),
        "environment": _value(stated, "environment"),
        "detected_by": _detected_by(stated, tell),
        "summary": _summary(document, stated),
        "text": text,
        "simulated": any(truth(fact.value) for fact in stated.get("simulated", [])),
        "source": "markdown",
        "source_uri": uri,
    }
    rows = [
        {"position": i, "at": e.at, "stated": e.stated, "moment": e.moment, "text": e.text, "line": e.line}
        for i, e in enumerate(events)
    ]
    blank = _blank(document, stated, events, stem)
    return ReportRead(incident | times.at | times.minutes, rows, report_actions.read(document), told, blank)


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


def _detected_by(stated: dict[str, list[Fact]], tell: report_times.Tell) -> str:
    fact = first_word(stated, "detected_by")
    if fact is None or fact.value.lower() == "unknown":
        return "unknown"
    # what customer service notices may come from a customer or from a colleague
    words = _DESK.sub(" customer colleague ", fact.value.lower()[:500])
    found = [name for name, pattern in _CLASSES.items() if pattern.search(words)]
    if len(found) == 1:
        return found[0]
    what = f"{fact.key}: {fact.value!r:.60} names {'several' if found else 'none'} of the known."
    tell("unreadable", what, f"Write one of: {', '.join(_CLASSES)}.", line=fact.line, field="detected_by")
    return "unknown"


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
