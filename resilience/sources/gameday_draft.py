"""A gameday.yml for a person to finish, written from the models that read it, so that no field is forgotten.

What is known is written; what is required and not known stands empty, and the reader names it until it is filled;
what may be left out stands as a comment that only needs its `# ` taken away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

from ..plain_text import one_line
from .gameday_docs import kind_of
from .gameday_fields import Part, part_in
from .gameday_file import GameDayFile
from .gameday_values import SLUG

NOTES = "notes"
"""Key of what a draft tells its person about a part: comment lines above it. No field has that name."""

_HEAD = """\
## {title}
## Fill what ends in "required" and has no # before it: `resilience ingest` names each that is empty, with its line.
## A field that starts with "# " may be left out, which means: not known. Take the "# " away to use it.
## docs/gameday-file.md explains every field.
"""


class _Line(NamedTuple):
    """One line of the file: how deep, what, the comment behind it, and whether it counts or is only offered."""

    depth: int
    text: str
    comment: str = ""
    counts: bool = True


def write(given: Mapping[str, Any], *, title: str, offered: bool = True) -> str:
    """A gameday.yml of `given`: fields as in `GameDayFile`, nested as there, with texts as they are, untrusted.

    Empty are required fields that are not in `given`; with `offered` every optional field stands as a comment with its
    example. A list of texts under `NOTES` in any part becomes comments above it.
    """
    lines = [_written(line) for line in _part(GameDayFile, given, 0, offered, counts=True)]
    return _HEAD.format(title=one_line(title)) + "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """`text` as a YAML scalar in double quotes, on one line: it stays text and can open nothing, whatever it holds."""
    return '"' + "".join(_escaped(c) for c in text) + '"'


def slug(text: str, taken: Sequence[str] = ()) -> str:
    """A key made of `text`; 'experiment' where nothing is left of it; numbered where it is `taken`."""
    made = re.sub(r"[^a-z0-9]+", "-", text[:200].lower()).strip("-")[:70].strip("-") or "experiment"
    keys = (made if n == 1 else f"{made}-{n}" for n in range(1, len(taken) + 2))
    return next(key for key in keys if key not in taken and re.fullmatch(SLUG, key))


def _escaped(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    if c.isprintable():
        return c
    code = ord(c)
    if 0xD800 <= code <= 0xDFFF:
        return "�"  # half of a pair is no character
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _written(line: _Line) -> str:
    text = "  " * line.depth + line.text + (f"  # {line.comment}" if line.comment else "")
    return text if line.counts else f"# {text}"


def _part(
    part: type[Part], given: Mapping[str, Any], depth: int, offered: bool, counts: bool
) -> Iterator[_Line]:
    """The lines of one part, its notes first."""
    for note in given.get(NOTES, ()):
        yield _Line(depth, f"## {one_line(str(note))}")
    hints = get_type_hints(part, include_extras=True)
    for name, field in part.model_fields.items():
        inner, value = part_in(hints[name]), given.get(name)
        many = kind_of(hints[name]).startswith("list of")
        if value not in (None, [], {}):
            yield from _known(name, value, inner, depth, offered)
        elif field.is_required() or offered:
            needed = field.is_required() and not many
            comment = _comment(field, hints[name], field.is_required())
            here = counts and (needed or (many and inner is not None and name == "experiments"))
            if inner is None:
                empty = counts and field.is_required()
                example = (field.examples or [""])[0]
                yield _Line(depth, f"{name}:" if empty else f"{name}: {example}", comment, empty or here)
                continue
            yield _Line(depth, f"{name}:", comment, here)
            rows = _part(inner, {}, depth + (2 if many else 1), offered, here)
            yield from _item(rows) if many else rows


def _known(name: str, value: Any, inner: type[Part] | None, depth: int, offered: bool) -> Iterator[_Line]:
    if inner is None:
        yield _Line(depth, f"{name}: {_flow(value)}")
    elif isinstance(value, Mapping):
        yield _Line(depth, f"{name}:")
        yield from _part(inner, value, depth + 1, offered, counts=True)
    else:
        yield _Line(depth, f"{name}:")
        for one in value:
            yield from _item(_part(inner, one, depth + 2, offered, counts=True))


def _item(rows: Iterator[_Line]) -> Iterator[_Line]:
    """`rows` as an item of a list: the dash stands before the first that counts, or the first at all."""
    lines = list(rows)
    yield from (line._replace(depth=line.depth - 1) for line in lines if line.text.startswith("##"))
    fields = [line for line in lines if not line.text.startswith("##")]
    first = next((line for line in fields if line.counts), fields[0])
    yield first._replace(depth=first.depth - 1, text=f"- {first.text}")
    yield from (line for line in fields if line is not first)  # above the dash it would be the last item's


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value!r}" if isinstance(value, int | float) else quoted(str(value))


def _comment(field: Any, hint: Any, required: bool) -> str:
    kind = kind_of(hint).replace("`", "")
    words = f"{kind}. " if kind.startswith("one of") else ""
    unit = (field.json_schema_extra or {}).get("unit", "")
    return f"{words}{field.description}{f' ({unit})' if unit else ''}{'; required' if required else ''}"
