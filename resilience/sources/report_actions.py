"""Follow-up actions of a report: lists and tables under a heading such as 'Action Items'."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from . import report_words
from .markdown_text import Document, Line, Table, plain
from .report_durations import is_placeholder

NAME = re.compile(
    r"^(?:action (?:items?|points?|plan)|actions?|(?:corrective|preventive|follow[- ]?up|remediation) (?:actions?|items?)"
    rf"|follow[- ]?ups?|next steps|to[- ]?dos?|{report_words.ACTIONS})\b"
)
_STATE = r"open|done|closed|completed?|in progress|to ?do|planned|blocked|cancelled|won't do"
_OWNED = re.compile(rf"\s{{0,3}}\(([^(),]{{1,60}}),\s?({_STATE})\)\.?$", re.IGNORECASE)
_MARKED = re.compile(rf"\s{{0,3}}\[({_STATE})\]\.?$", re.IGNORECASE)
_NAMED = re.compile(
    r"[\s([,;-]{0,4}\b(owner|assignee|due|state|status):\s{0,3}([^,;()\[\]|]{1,60})[\])]?", re.IGNORECASE
)
_COLUMNS = {
    "owner": re.compile(r"\b(?:owner|assignee|responsible|who)\b", re.IGNORECASE),
    "state": re.compile(r"\b(?:state|status|done)\b", re.IGNORECASE),
    "due": re.compile(r"\b(?:due|deadline|eta|target date)\b", re.IGNORECASE),
    "text": re.compile(r"\b(?:action|item|task|description|what|todo)\b", re.IGNORECASE),
}
_NAMES = {"assignee": "owner", "status": "state"}


def read(document: Document) -> list[dict[str, Any]]:
    """Rows of `actions` without their incident. A checked box is 'done', an open one 'open'; else as written."""
    rows: list[dict[str, Any]] = []
    for section in document.under(NAME):
        for part in section.content:
            if isinstance(part, Table):
                rows += _of_table(part)
            elif part.depth:
                rows.append(_of_item(part))
            elif rows and part.line == rows[-1]["end"] + 1:
                rows[-1]["more"].append(plain(part.text))
                rows[-1]["end"] = part.line
    kept = [row for row in rows if not is_placeholder(row["text"])]
    for i, row in enumerate(kept):
        del row["end"]
        row |= {"position": i, "text": " ".join([row["text"], *row.pop("more")])}
    return kept


def _of_item(part: Line) -> dict[str, Any]:
    text = plain(part.text)
    row: dict[str, Any] = {
        "owner": None,
        "state": None,
        "due": None,
        "line": part.line,
        "end": part.line,
        "more": [],
    }
    if owned := _OWNED.search(text[-200:]):
        row["owner"], row["state"] = owned[1].strip(), owned[2]
        text = text[: len(text) - len(owned[0])]
    elif marked := _MARKED.search(text[-40:]):
        row["state"] = marked[1]
        text = text[: len(text) - len(marked[0])]
    for named in _NAMED.finditer(text[:2000]):
        word = named[1].lower()
        row[_NAMES.get(word, word)] = named[2].strip()
    if part.done is not None:
        row["state"] = "done" if part.done else "open"
    return row | {"text": _NAMED.sub("", text[:2000]).strip() + text[2000:]}


def _of_table(table: Table) -> Iterator[dict[str, Any]]:
    places: dict[str, int] = {}
    for i, cell in enumerate(plain(cell) for cell in table.header.cells):
        for name, pattern in _COLUMNS.items():
            if name not in places and i not in places.values() and pattern.search(cell):
                places[name] = i
    for row in table.rows:
        cells = [plain(cell) for cell in row.cells]
        found = {
            name: cells[i] for name, i in places.items() if i < len(cells) and not is_placeholder(cells[i])
        }
        text = found.pop("text", cells[0] if cells and "text" not in places else "")
        empty: dict[str, Any] = {
            "owner": None,
            "state": None,
            "due": None,
            "line": row.line,
            "end": row.line,
            "more": [],
        }
        yield empty | found | {"text": text}
