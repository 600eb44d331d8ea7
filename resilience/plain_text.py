"""Text that people wrote, as it can stand on a line of anything: a file, a slide, a cell."""

from __future__ import annotations

import html
import re


def one_line(text: str) -> str:
    """`text` on one line without what is not seen: controls, direction overrides, halves of surrogate pairs."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


_CLOSED = re.compile(r"</(?:p|div|td|li|ul|h[1-6]|body|html|span|table)>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})[^<>]*>|<!--|<![^<>]*>")
_UNSEEN = ("script", "style", "head", "svg")
_LINES = frozenset(
    [
        "p",
        "div",
        "li",
        "tr",
        "br",
        "ul",
        "ol",
        "table",
        "section",
        "article",
        "dd",
        "dt",
        "pre",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ]
)


def without_markup(text: str) -> str:
    """The words of `text` where it is HTML, headings as Markdown's, a line per block; any other text as it is."""
    if len(_CLOSED.findall(text[:200_000])) < 3:
        return text
    kept, at, lower = [], 0, text.lower()
    while match := _TAG.search(text, at):
        kept.append(text[at : match.start()])
        at, tag = match.end(), (match[2] or "").lower()
        close = "-->" if match[0] == "<!--" else f"</{tag}" if tag in _UNSEEN and not match[1] else ""
        if close:
            end = lower.find(close, at)
            at = len(text) if end < 0 else end + 3 * (close == "-->")
        elif tag in _LINES:
            kept.append("\n\n## " if tag[0] == "h" and not match[1] else "\n")
    lines = html.unescape("".join([*kept, text[at:]])).split("\n")
    return "\n".join(line for line in map(str.strip, lines) if line)


def count(n: int, noun: str, many: str | None = None) -> str:
    """`n` and its noun: '1 experiment', '2 experiments'; `many` where its plural is another."""
    return f"{n} {noun if n == 1 else many or f'{noun}s'}"
