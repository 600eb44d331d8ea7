"""A status page's updates in a report: a label such as Identified, what was said, and when; in either order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from . import statuspage
from .markdown_text import Document, Line, plain
from .report_days import Days, Placed

_LABEL = re.compile(
    r"\W{0,3}(investigating|identified|monitoring|update|resolved|postmortem|completed|verifying|in progress|scheduled)"
    r"(?:\W{0,3}\Z|\s{0,3}[-–—:]\s{1,3}(?=\S))",
    re.IGNORECASE,
)
_POSTED = re.compile(r"posted\b[^.]{0,40}\bago\W{0,3}|posted(?: at| on)?:?\s", re.IGNORECASE)
MOMENTS = {
    "mitigated": ("monitoring", ("monitoring", "resolved", "postmortem")),
    "resolved": ("resolved", ("resolved", "postmortem")),
}


@dataclass
class Update:
    """One update: its label in lower case, its text, its time as placed, and the line of the label."""

    label: str
    line: int
    texts: list[str] = field(default_factory=list)
    placed: Placed | None = None


def read(document: Document, zone: tzinfo | None, days: Days) -> list[Update]:
    """The updates of a page that has two or more, each with a time of its own; empty for any other document."""
    kinds: list[tuple[str, str, int, Placed | None]] = []
    placed: Placed | None
    for text, line in _lines(document):
        if label := _LABEL.match(text[:200]):
            kinds.append(("label", label[1].lower(), line, None))
            if rest := text[label.end() :].strip():
                kinds.append(("text", rest, line, None))
            continue
        placed = days.place(_POSTED.sub("", text[:120], count=1), zone)
        timed = placed.instant.clock is not None and not placed.instant.rest.strip(" .")
        kinds.append(("time", text, line, placed) if timed else ("text", text, line, None))
    first = next((kind for kind, *_ in kinds if kind != "text"), None)
    found: list[Update] = []
    above: Placed | None = None
    for kind, text, line, placed in kinds:
        if kind == "label":
            found.append(Update(text, line, placed=above))
            above = None
        elif kind == "time" and first == "time":
            above = placed
        elif kind == "time" and found and found[-1].placed is None:
            found[-1].placed = placed
        elif kind == "text" and found and (first == "time" or found[-1].placed is None):
            found[-1].texts.append(text)
    sure = len(found) > 1 and all(one.placed for one in found) and len({one.label for one in found}) > 1
    return found if sure else []


def moments(updates: list[Update]) -> dict[int, str]:
    """Which update, by its place, marks which moment, as `statuspage` reads them: the first one declares the incident."""
    dated = sorted(
        (
            (one.placed.instant.at, one.label, i)
            for i, one in enumerate(updates)
            if one.placed and one.placed.instant.at
        ),
    )
    if len(dated) < len(updates):
        return {}
    said: list[tuple[datetime, str]] = [(at, label) for at, label, _ in dated]
    found = {dated[0][2]: "declared"}
    for name, (wanted, after) in MOMENTS.items():
        at = statuspage.settled(said, (wanted,), after)
        found |= {i: name for when, label, i in dated if when == at and label == wanted}
    return found


def _lines(document: Document) -> Iterator[tuple[str, int]]:
    for section in document.sections:
        if section.title:
            yield section.title, section.line
        for part in section.content:
            if isinstance(part, Line) and (text := plain(part.text)):
                yield text, part.line
