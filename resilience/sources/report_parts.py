"""What a report says beyond times: contributing factors, impact, who found it, who was told, who responded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from . import report_words
from .markdown_text import Document, Line, Section, plain
from .report_durations import is_placeholder
from .report_fields import Fact, first_word, states_fact
from .report_timeline import Event

FACTOR_KINDS = {
    "contributing factor": re.compile(r"\bcontributing (?:factors?|causes?)\b"),
    "root cause": re.compile(
        rf"{report_words.CAUSE}|\broot causes?\b|^causes?\b|\bwhy did (?:it|this) happen\b|\bcause analysis\b|^fault$"
    ),
    "trigger": re.compile(r"^triggers?\b"),
    "why": re.compile(r"\bwhys\b"),  # names have lost their number,
}
_IMPACT = re.compile(rf"^(?:(?:customer|user|business|service) )?(?:impact|{report_words.IMPACT})\b")
_DETECTION = re.compile(
    r"^(?:detection|how (?:was|did|were) .{0,30}(?:detect|notice|discover|find|found|alerted))"
)
_COMMUNICATION = re.compile(r"^(?:(?:internal|external|customer) )?communications?\b")
_RESPONDERS = re.compile(r"^(?:incident )?responders$")
_LONGEST = 2000
_MOST = 200

_SOME = r"(?:(?:our|the|an?|one of our|several|some|multiple|first|many) ){0,2}(?:[\w-]+ )?"
TOOLS = "pagerduty|opsgenie|datadog|nagios|prometheus|grafana|cloudwatch|pingdom|zabbix|new ?relic|sentry"
_TOOLS = (
    r"(?:monitor(?:s|ing)?(?: (?:system|tool|suite|alert)s?)?|alert(?:s|ing)?|alarms?|synthetic (?:check|test|probe)s?"
    rf"|health ?checks?|{TOOLS})"
)
_PEOPLE = {
    "monitor": _SOME + _TOOLS,
    "customer": _SOME + r"(?:customers?|clients?|users?|buyers?|sellers?|merchants?)",
    "colleague": _SOME + r"(?:colleagues?|employees?|engineers?|developers?|operators?|staff)",
    "partner": _SOME + r"(?:partners?|suppliers?|vendors?)",
}
_FOUND = (
    r"(?:detected|noticed|reported|discovered|identified|spotted|flagged|raised|alerted|notified|contacted|informed"
    r"|paged)"
)
_ACTED = (
    r"(?:fired|triggered|paged|alerted|detected|reported|noticed|complained|contacted|notified|warned|informed|discovered"
    r"|spotted|flagged|raised|opened|called|went off|start(?:ed)? to report|began to report)"
)
_FINDERS = {
    who: re.compile(
        rf"\b{_FOUND}(?: to us)?(?: first)? (?:by|via|through|from) {people}\b"
        rf"|(?:^|[,;:] |\b(?:and|when|after) )(?:first,? )?{people} (?:(?:was|were|had|first|then|also) )?{_ACTED}\b"
        rf"|\b(?:received|got|from) {people}(?: from| in| via| about|[.,]|$)"
        + (r"|\bpaged (?:the |our )?on-?call\b" if who == "monitor" else ""),
        re.IGNORECASE,
    )
    for who, people in _PEOPLE.items()
}
DENIED = re.compile(
    r"\b(?:no|not|never|none|without|nobody|failed|should|could|would|might|until|lack(?:ed|ing)?|missing|too late)\b"
    r"|n['’]t\b|\?",
    re.IGNORECASE,
)
_DESK = re.compile(r"\bcustomer[- ](?:service|support|care)\b", re.IGNORECASE)

_TOLD = r"(?:informed|notified|told|updated|emailed|e-mailed|messaged|alerted|briefed)"
_NOTE = r"(?:message|e-?mail|notice|notification|update|announcement|communication)"
_ALL = r"(?:(?:the|our|all|other|whole|entire|affected|impacted) ){0,3}"
_AUDIENCES = {
    "customer service": _ALL
    + r"(?:customer[- ](?:service|support|care)|support (?:team|desk|staff|agents?)|helpdesk|service desk)",
    "customers": _ALL + r"(?:customers|clients|users|merchants|buyers|sellers)",
    "inside": _ALL
    + r"(?:(?!support )(?:\w+ )?teams?|colleagues|stakeholders|management|leadership|employees|staff|company)",
}
_MESSAGES = {
    audience: re.compile(
        rf"(?:^|\b(?:we|and) ){_TOLD} {people}\b|\b{people} (?:(?:was|were|are|is|have been|has been) ){_TOLD}\b"
        rf"|\b{_NOTE} (?:was )?(?:sent|posted|published) to {people}\b"
        rf"|^(?:sent|posted) (?:(?:an?|the|first) ){{0,2}}{_NOTE} to {people}\b",
        re.IGNORECASE,
    )
    for audience, people in _AUDIENCES.items()
}
_STATUS_PAGE = re.compile(
    r"\b(?:posted|published|updated|update|announced)\b.{0,40}\bstatus ?page\b"
    r"|\bstatus ?page\b.{0,30}\b(?:updated|posted|published)\b",
    re.IGNORECASE,
)
_NAMES = {
    "customer service": re.compile(r"^(?:customer[- ](?:service|support|care)|support)$", re.I),
    "customers": re.compile(r"^(?:customers?|users?|external|public|status page)$", re.I),
    "inside": re.compile(r"^(?:inside|internal(?:ly)?|staff|colleagues|stakeholders|management)$", re.I),
}
_LIST = re.compile(r"[,;/]|\band\b|&")


def factors(document: Document, stated: dict[str, list[Fact]]) -> list[dict[str, Any]]:
    """Rows of `incident_factors` without their incident: list items, paragraphs and table rows, contributing first."""
    rows: list[dict[str, Any]] = []
    for kind, name in FACTOR_KINDS.items():
        for section in document.under(name):
            nearer = [k for k, other in FACTOR_KINDS.items() if other.search(section.name)]
            if not nearer or nearer[0] == kind:
                rows += [
                    {"kind": kind, "text": text, "line": line} for text, line in _items(document, section)
                ]
        for fact in stated.get("factors", []):
            if name.search(fact.key.lower()) and not is_placeholder(fact.value):
                rows.append({"kind": kind, "text": fact.value[:_LONGEST], "line": fact.line})
    unique = {(row["line"], row["text"]): row for row in reversed(rows)}
    kept = [row for row in rows if unique.get((row["line"], row["text"])) is row][:_MOST]
    return [{"position": i} | row for i, row in enumerate(kept)]


def impact(document: Document, stated: dict[str, list[Fact]]) -> str | None:
    """What the report says of the impact: its section, else its field."""
    texts = [text for section in document.under(_IMPACT) for text, _ in _items(document, section)]
    fact = first_word(stated, "impact")
    return "\n".join(texts)[: 5 * _LONGEST] or (fact.value[:_LONGEST] if fact else None)


def found_by(document: Document, stated: dict[str, list[Fact]]) -> tuple[set[str], int | None]:
    """Who noticed first by the prose of a Detection section or field, each class it names, and the line."""
    sentences = [
        (sentence, line)
        for section in document.under(_DETECTION)
        for paragraph in document.paragraphs(section)
        for sentence, line in paragraph
    ]
    sentences += [
        (fact.value, fact.line) for fact in stated.get("detected_at", []) if fact.key.lower() == "detection"
    ]
    found: dict[str, int] = {}
    for sentence, line in sentences[:20]:
        for clause in re.split(r"[;:]\s|\s[-–—]\s|, but |\bwhich\b", sentence[:500]):
            # what customer service notices may come from a customer or from a colleague
            words = _DESK.sub("desk", clause.strip())
            if not DENIED.search(words) and "desk" not in words:
                for who, pattern in _FINDERS.items():
                    if match := pattern.search(words):
                        found.setdefault(who, line)
                        # 'Both the team and the customers detected it'
                        if match[0].lower().startswith("and ") and len(words[: match.start()].split()) < 5:
                            found.setdefault("others", line)
    return set(found), min(found.values(), default=None)


def messages(document: Document, events: list[Event], zone_of: Any) -> list[dict[str, Any]]:
    """First message to each audience: the earliest with a time, else the first written; `zone_of` places a text."""
    told: list[dict[str, Any]] = []
    for event in events:
        if event.stated and not DENIED.search(event.text[:300]):
            told += [
                {"audience": audience, "at": event.at, "text": event.text[:_LONGEST], "line": event.line}
                for audience in _audiences(event.text[:300])
            ]
    for section in document.under(_COMMUNICATION):
        for text, line in _items(document, section):
            key, _, value = text[:300].partition(":" if " | " not in text else " | ")
            for audience, name in _NAMES.items():
                if value.strip() and name.match(key.strip(" *")):
                    told.append({"audience": audience, "at": zone_of(value), "text": text, "line": line})
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(told, key=lambda row: (row["at"] is None, row["at"] or 0, row["line"])):
        first.setdefault(row["audience"], row)
    return list(first.values())


def responders(document: Document, stated: dict[str, list[Fact]]) -> tuple[int | None, str | None]:
    """How many responded, by a field with a number or names, or by a list of them; the roles that were filled. No names."""
    fact = first_word(stated, "responders")
    count = None
    if fact:
        number = re.fullmatch(r"(\d{1,4})(?: people| persons| responders)?", fact.value.strip(". "))
        names = {name.strip(" .").lower() for name in _LIST.split(fact.value) if name.strip(" .")}
        count = int(number[1]) if number else len(names) if all(len(n) < 40 for n in names) else None
    else:
        listed = [
            p for s in document.under(_RESPONDERS) for p in s.content if isinstance(p, Line) and p.depth
        ]
        count = len(listed) if 0 < len(listed) <= _MOST else None
    roles = sorted(
        {" ".join(f.key.lower().split()) for f in stated.get("role", []) if not is_placeholder(f.value)}
    )
    return count, ", ".join(roles) or None


def _audiences(text: str) -> Iterator[str]:
    if _STATUS_PAGE.search(text):
        yield "customers"
    for audience, pattern in _MESSAGES.items():
        if pattern.search(text) and not (audience == "customers" and _STATUS_PAGE.search(text)):
            yield audience


def _items(document: Document, section: Section) -> Iterator[tuple[str, int]]:
    """Paragraphs, list items and table rows of a section as plain texts with their lines."""
    facts = {part.line for part in section.content if isinstance(part, Line) and states_fact(part)}
    for paragraph in document.paragraphs(section):
        if paragraph[0][1] in facts:
            continue
        text = " ".join(sentence for sentence, _ in paragraph)
        if text and not is_placeholder(text):
            yield text[:_LONGEST], paragraph[0][1]
    for part in section.content:
        if not isinstance(part, Line):
            headed = any(len(cell) > 30 or cell.endswith((".", "?")) for cell in part.header.cells)
            for row in [part.header, *part.rows] if headed else part.rows:
                text = " | ".join(plain(cell) for cell in row.cells if cell.strip())
                if text and not is_placeholder(text):
                    yield text[:_LONGEST], row.line
