"""A file that tells of several incidents, such as a month's summary, as one document for each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from itertools import takewhile

from . import report_clocks, report_durations
from .markdown_text import SPOKEN, Document, Line, Section, plain
from .report_fields import facts

_LASTING = re.compile(r"\((?:lasting|lasted|duration:?|for)\s([^()]{1,60})\)\s{0,3}$", re.IGNORECASE)
_MOST = 1000
"""Sections of one level that may be incidents: more is no report."""
_NAMED = re.compile(r"[A-Z]{2,10}-?\d{1,8}\b")
_TOLD = (
    "started_at",
    "date",
    "incident_id",
)  # what an incident of its own states, and at least one thing more of
_MORE = (*_TOLD, "detected_at", "mitigated_at", "resolved_at", "severity", "stated_restore_min")


@dataclass(frozen=True)
class Part:
    """One incident of a file: its heading, its lines of the file, and what it states."""

    title: str
    text: str
    document: Document


def parts(document: Document) -> list[Part]:
    """The incidents of a file that holds two or more; empty where it holds one, or where that is not certain.

    They are sections of one level that each state a start, a date or an id and something more of an incident, or whose
    headings hold a start and how long it lasted; nothing above the first of them states such things.
    """
    sections = document.sections
    for level in sorted({section.level for section in sections if 0 < section.level < SPOKEN}):
        heads = [i for i, section in enumerate(sections) if section.level == level]
        if 1 < len(heads) <= _MOST:
            near = report_clocks.month_in(" ".join(s.title for s in sections[: heads[0]]))
            found = [part for i in heads if (part := _part(document, i, near))]
            if len(found) > 1:
                above = replace(document, sections=sections[: heads[0]])
                return (
                    [] if any(facts(above, ()).get(name) for name in ("started_at", "incident_id")) else found
                )
    return []


def _part(document: Document, at: int, near: date | None) -> Part | None:
    """The incident under the heading at that place in `sections`; None where it is none."""
    head = document.sections[at]
    below = (document.sections[i] for i in range(at + 1, len(document.sections)))
    inner = list(takewhile(lambda section: section.level > head.level, below))
    end = inner[-1].end if inner else head.end
    stated = _heading(head, near)
    title = replace(head, level=1, content=[*stated, *head.content])
    alone = Document(
        {}, document.front_line, [Section(0, "", head.line, head.line), title, *inner], document.source
    )
    if not stated:
        said = facts(alone, outside=())
        known = {
            name
            for name in _MORE
            if any(not report_durations.is_placeholder(f.value) for f in said.get(name, []))
        }
        if _NAMED.match(head.title):
            known.add("incident_id")
        if not known & {*_TOLD} or len(known) < 2:
            return None
    return Part(head.title, "\n".join(document.source[head.line - 1 : end]), alone)


def _heading(head: Section, near: date | None) -> list[Line]:
    """Lines that say what a heading such as '12 June 17:41 UTC (lasting 1 hour)' does."""
    lasting = _LASTING.search(head.title)
    if lasting is None or report_durations.read(lasting[1]).minutes is None:
        return []
    text = plain(head.title[: lasting.start()])
    when = report_clocks.read(text, near=near)
    if when.clock is None or when.rest.strip(" .:"):
        return []
    began = text if when.at is None else f"{when.at:%Y-%m-%d %H:%M} UTC"
    return [Line(f"Started: {began}", head.line), Line(f"Duration: {lasting[1]}", head.line)]
