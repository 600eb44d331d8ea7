"""Markdown as sections of plain lines, list items and tables, each with its line in the file.

Only the block structure is parsed, by markdown-it; emphasis and links are taken off with `plain`. Text is hostile:
HTML stays text, front matter is read by `yaml_text`, and what would take long to parse is refused.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ..errors import InputError
from . import yaml_text

MAX_PARTS = 50_000
"""Lines and table cells of one file; the worst that hostile text makes of them takes about 4 s to parse."""

_BLOCKS = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table")
# Inline text is ours; hurried authors indent, so indented text is text and not code.
_BLOCKS.disable(["inline", "text_join", "code", "reference"])
_FRONT = re.compile(r"---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,2000}\)")
_MARKS = re.compile(r"\*{1,3}|`{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)|\[\^[^\]\s]{1,20}\]|<br\s?/?>")
_TASK = re.compile(r"\[([ xX])\]\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")
_HOUR = re.compile(r"\d:\d\d|\d\s?[ap]m\b", re.IGNORECASE)
_PICTURES = re.compile(r"^[^\w(\[]{1,8}")
_NUMBERED = re.compile(r"\d{1,2}(?:\.\d{1,2}){0,3}[.)]?\s+(?=\S)")


SPOKEN = 7
"""Level of a heading that is a bold line, or a known name and a colon: below every real one."""
_BOLD = re.compile(r"(\*\*|__)(?=[^\W\d_])([^*_:\n]{1,80}?):?\1:?\s{0,3}")
_CALLED = re.compile(
    r"((?:(?:executive|incident) )?summary|(?:incident )?time ?line|impact|root causes?|contributing factors|triggers?"
    r"|detection|resolution|recovery|action items|lessons learned|what went (?:well|wrong))(?: \([^()]{1,40}\))?:\s{0,3}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """A line of prose, or a list item where `depth` is 1 or more. `text` keeps its marks."""

    text: str
    line: int
    depth: int = 0
    done: bool | None = None


@dataclass(frozen=True)
class Row:
    """A table row; `text` of its cells keeps its marks."""

    cells: list[str]
    line: int


@dataclass
class Table:
    """A table with its header row, which may hold content in houses that leave headers out."""

    header: Row
    rows: list[Row] = field(default_factory=list)

    @property
    def line(self) -> int:
        return self.header.line


@dataclass
class Section:
    """Content between two headings; `level` 0 is what stands before the first. `end` is its last line."""

    level: int
    title: str
    line: int
    end: int
    content: list[Line | Table] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Title in lower case without number, closing punctuation and pictures before it, to compare with."""
        return _NUMBERED.sub("", _PICTURES.sub("", self.title)).strip(" :.?!").lower()


@dataclass(frozen=True)
class Document:
    """`front` is the front matter with `front_line(key)`; `source` holds every line of the file."""

    front: dict[str, Any]
    front_line: yaml_text.Lines
    sections: list[Section]
    source: list[str]

    def paragraphs(self, section: Section) -> Iterator[list[tuple[str, int]]]:
        """Prose and list items of a section as lists of plain sentences, each with the line it begins in."""
        gathered: list[Line] = []
        for part in [*section.content, None]:
            if isinstance(part, Line) and gathered and part.line == gathered[-1].line + 1 and not part.depth:
                gathered.append(part)
                continue
            if gathered:
                yield _sentences(gathered)
            gathered = [part] if isinstance(part, Line) else []

    def under(self, name: re.Pattern[str]) -> Iterator[Section]:
        """Sections whose name matches `name`, each followed by the deeper ones under it."""
        level: int | None = None
        for i, section in enumerate(self.sections):
            if level is not None and section.level <= level:
                level = None
            # a title that has sections under it names the whole report, not a part of it
            title = i == 1 and section.level == 1 and any(other.level > 1 for other in self.sections[2:3])
            if level is None and section.level and not title and name.search(section.name):
                level = section.level
            if level is not None:
                yield section


def plain(text: str) -> str:
    """`text` without emphasis, code marks, footnote marks and link targets, on one line."""
    return " ".join(
        html.unescape(_MARKS.sub(lambda m: " " if m[0] == "<br>" else "", _LINK.sub(r"\1", text))).split()
    )


def _sentences(lines: list[Line]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    ended = True
    for line in lines:
        for piece in _SENTENCE_END.split(plain(line.text)):
            if ended or not found:
                found.append((piece, line.line))
            else:
                found[-1] = (f"{found[-1][0]} {piece}", found[-1][1])
            ended = piece.endswith((".", "!", "?"))
    return found


def parse(text: str, where: str) -> Document:
    """Structure of a Markdown file. Raises InputError: unusable front matter, more than MAX_PARTS parts."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts = text.count("\n") + text.count("|")
    if parts > MAX_PARTS:
        raise InputError(
            f"The file has {parts:,} lines and table cells; {MAX_PARTS:,} is the limit.",
            where=where,
            remedy="Keep the report and move logs or data into files of their own.",
        )
    front, front_line, body_from = front_matter(text, where)
    # blanked, not cut, so that lines keep their numbers
    body = "\n" * text.count("\n", 0, body_from) + without_comments(text[body_from:])
    source = text.split("\n")
    return Document(front, front_line, _sections(_BLOCKS.parse(body), len(source)), source)


def front_matter(text: str, where: str) -> tuple[dict[str, Any], yaml_text.Lines, int]:
    """Front matter with lower-case keys, the line of each, and where the body begins in `text`."""
    match = _FRONT.match(text)
    if not match or ":" not in (match[1] or ""):
        return {}, lambda key: 1, 0
    data, line_of = yaml_text.load("\n" + match[1], where)  # the blank line stands for the opening ---
    if not isinstance(data, dict):
        return {}, lambda key: 1, 0
    return (
        {str(key).strip().lower().replace("-", "_"): value for key, value in data.items()},
        line_of,
        match.end(),
    )


def without_comments(text: str) -> str:
    """`text` with <!-- comments --> blanked; one that is never closed stays."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept += [text[at:start], "\n" * text.count("\n", start, end)]
        at = end + 3
    return "".join([*kept, text[at:]])


def _sections(tokens: list[Token], lines: int) -> list[Section]:
    sections = [Section(0, "", 1, lines)]
    depth, item_line, table, row = 0, 0, None, None
    heading: Token | None = None
    for token in tokens:
        match token.type:
            case "heading_open":
                heading = token
            case "heading_close":
                heading = None
            case "bullet_list_open" | "ordered_list_open":
                depth += 1
            case "bullet_list_close" | "ordered_list_close":
                depth -= 1
            case "list_item_open":
                item_line = _line(token)
            case "table_open":
                table = None
            case "tr_open":
                row = Row([], _line(token))
                if table is None:
                    table = Table(row)
                    sections[-1].content.append(table)
                else:
                    table.rows.append(row)
            case "tr_close":
                row = None
            case "inline" if row is not None:
                row.cells.append(token.content)
            case "inline" if heading is not None:
                sections[-1].end = _line(token) - 1
                level = int(heading.tag[1:])
                sections.append(Section(level, plain(token.content), _line(token), lines))
            case "inline":
                for i, text in enumerate(token.content.split("\n")):
                    if i == 0 and depth == 0 and (title := spoken_heading(text)):
                        sections[-1].end = _line(token) - 1
                        sections.append(Section(SPOKEN, title, _line(token), lines))
                        continue
                    opens = i == 0 and depth > 0 and item_line == _line(token)
                    sections[-1].content.append(_piece(text, _line(token) + i, depth if opens else 0))
    return sections


def spoken_heading(text: str) -> str | None:
    """Title of a line that is a heading by its look: '**Timeline**', 'Root cause:'; None for any other."""
    if bold := _BOLD.fullmatch(text):
        return None if _HOUR.search(bold[2]) else plain(bold[2])
    return plain(text).rstrip(": ") if _CALLED.fullmatch(text) else None


def _piece(text: str, line: int, depth: int) -> Line:
    if depth and (task := _TASK.match(text)):
        return Line(text[task.end() :], line, depth, task[1] != " ")
    return Line(text, line, depth)


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1
