"""HTML as the same sections of lines, list items and tables as Markdown. Read as a stream: no tree, no depth.

Scripts, styles and everything else that is not text are dropped. Emphasis becomes Markdown's, so that readers of
sections need not know which of the two a report was written in. The standard library's parser takes minutes for
hostile pages of 1 MB; what follows is one pass over the text, since only blocks matter here.
"""

from __future__ import annotations

import html
import re

from ..errors import InputError
from . import yaml_text
from .markdown_text import (
    MAX_PARTS,
    SPOKEN,
    Document,
    Line,
    Row,
    Section,
    Table,
    front_matter,
    plain,
    spoken_heading,
    without_comments,
)

MAX_BYTES = 2_000_000
_HEADINGS = {f"h{i}": i for i in range(1, 7)}
_HIDDEN = {
    tag: re.compile(rf"</{tag}\b", re.IGNORECASE)
    for tag in ("script", "style", "template", "noscript", "svg", "math", "object", "iframe", "textarea")
}
# What follows never holds '<', so that no text is looked at twice.
_TAG = re.compile(r"""<(/?)([A-Za-z][A-Za-z0-9]{0,20})(?:[\s/](?:[^<>"']|"[^"<]*"|'[^'<]*')*)?>""")
_DECLARED = re.compile(r"<[!?][^<>]{0,500}>")
_BLOCKS = {"p", "div", "section", "article", "header", "footer", "main", "body", "blockquote", "pre", "dl", "dt", "dd",
           "br", "hr", "figure", "figcaption", "details", "summary", "address"}  # fmt: skip
_MARKS = {"b": "**", "strong": "**", "em": "*", "i": "*"}
_BLANKS = re.compile(r"[ \t\r\f\v\n\xa0]+")


def parse(text: str, where: str) -> Document:
    """Structure of an HTML file, with or without front matter. Raises InputError: too large to be a report."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_BYTES or text.count("<") > 2 * MAX_PARTS:
        raise InputError(
            f"The page has {len(text):,} characters and {text.count('<'):,} tags; {MAX_BYTES:,} and "
            f"{2 * MAX_PARTS:,} are the limits.",
            where=where,
            remedy="Save the report alone, without scripts and menus, as HTML or Markdown.",
        )
    front, front_line, body_from = front_matter(text, where)
    source = text.split("\n")
    body = without_comments(text[body_from:])
    body = _DECLARED.sub(lambda m: "\n" * m[0].count("\n"), body)
    reader = _Reader(len(source))
    _feed(reader, "\n" * text.count("\n", 0, body_from) + body)
    reader.flush()
    if reader.title and "title" not in front and not any(s.level == 1 for s in reader.sections):
        front = {**front, "title": reader.title}
        front_line = _title_line(front_line, reader.title_line)
    return Document(front, front_line, reader.sections, source)


def _title_line(front_line: yaml_text.Lines, line: int) -> yaml_text.Lines:
    return lambda key: line if key == ("title",) else front_line(key)


def _feed(reader: _Reader, body: str) -> None:
    at, line = 0, 1
    while match := _TAG.search(body, at):
        reader.data(body[at : match.start()], line)
        line += body.count("\n", at, match.end())
        at, tag = match.end(), match[2].lower()
        if match[1]:
            reader.end(tag)
        elif tag not in _HIDDEN:
            reader.start(tag, line)
        elif close := _HIDDEN[tag].search(body, at):
            line += body.count("\n", at, close.start())
            at = close.start()
        elif tag in ("script", "style"):  # never closed: all that follows is code
            return
    reader.data(body[at:], line)


class _Reader:
    """Sections from tags and text, in the order of the page."""

    def __init__(self, lines: int) -> None:
        self.sections = [Section(0, "", 1, lines)]
        self.title, self.title_line = "", 1
        self._lines = lines
        self._text: list[str] = []
        self._line, self._empty = 1, True
        self._in_title = False
        self._depth, self._item = 0, False
        self._heading: int | None = None
        self._tables: list[Table] = []
        self._row: Row | None = None
        self._in_cell = False

    def start(self, tag: str, line: int) -> None:
        if tag == "title":
            self._in_title, self.title_line = True, line
        elif tag in _HEADINGS:
            self.flush()
            self._end_cell()
            self._heading = _HEADINGS[tag]
        elif tag in ("ul", "ol"):
            self._break()
            self._depth = min(self._depth + 1, 20)
        elif tag == "li":
            self._break()
            self._item = True
        elif tag == "table":
            self.flush()
            self._row = None
            self._tables.append(Table(Row([], line)))
        elif tag == "tr" and self._tables:
            self._end_row()
            self._row = Row([], line)
        elif tag in ("td", "th") and self._row is not None:
            self._end_cell()
            self._in_cell = True
        elif tag in _BLOCKS:
            self._break()
        elif tag in _MARKS:
            self._mark(_MARKS[tag])

    def end(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in _HEADINGS:
            self.flush()
        elif tag in ("ul", "ol"):
            self._break()
            self._depth = max(self._depth - 1, 0)
        elif tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "table" and self._tables:
            self._end_row()
            table = self._tables.pop()
            if table.header.cells:
                self.sections[-1].content.append(table)
        elif tag in _BLOCKS or tag == "li":
            self._break()
        elif tag in _MARKS:
            self._mark(_MARKS[tag])

    def data(self, data: str, line: int) -> None:
        if self._in_title:
            self.title = _BLANKS.sub(" ", self.title + html.unescape(data[:300])).strip()[:300]
        elif data:
            if self._empty:
                self._line = line + data.count("\n", 0, len(data) - len(data.lstrip()))
                self._empty = not data.strip()
            self._text.append(html.unescape(data))

    def flush(self) -> None:
        """End the line, list item or heading that is being read."""
        if self._in_cell:
            self._end_cell()
        text = self._taken()
        heading, self._heading = self._heading, None
        item, self._item = self._item, False
        if not text.strip("* "):
            self._item = item
            return
        if heading is not None:
            self.sections[-1].end = self._line - 1
            self.sections.append(Section(heading, plain(text), self._line, self._lines))
        elif not item and not self._depth and (title := spoken_heading(text)):
            self.sections[-1].end = self._line - 1
            self.sections.append(Section(SPOKEN, title, self._line, self._lines))
        else:
            self.sections[-1].content.append(Line(text, self._line, max(self._depth, 1) if item else 0))

    def _taken(self) -> str:
        text = _BLANKS.sub(" ", "".join(self._text)).strip()
        self._text.clear()
        self._empty = True
        return text

    def _break(self) -> None:
        if self._in_cell or self._heading is not None:
            self._text.append(" ")
        else:
            self.flush()

    def _mark(self, mark: str) -> None:
        if self._heading is None and not self._in_title:
            self._text.append(mark)

    def _end_cell(self) -> None:
        if self._in_cell and self._row is not None:
            self._row.cells.append(self._taken())
        self._in_cell = False

    def _end_row(self) -> None:
        self._end_cell()
        row, self._row = self._row, None
        if row is not None and row.cells and self._tables:
            table = self._tables[-1]
            if table.header.cells:
                table.rows.append(row)
            else:
                table.header = row
