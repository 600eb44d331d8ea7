"""YAML that a person wrote, read with suspicion: no aliases, tags or duplicate keys; every node has its line.

Scalars follow the core schema of YAML 1.2, so an unquoted ``11:20`` stays text (YAML 1.1 makes it 680),
``no`` stays text, and a date stays text until a model with a time zone reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import InputError

MAX_BYTES = 256_000
MAX_DEPTH = 32

Key = tuple[str | int, ...]
Lines = Callable[[Key], int]
Model = TypeVar("Model", bound=BaseModel)

# Tag, pattern and first characters of the core schema. Digits are bounded: int() of a long text is quadratic.
_CORE = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,18}", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,4})?",
        "-+.0123456789",
    ),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
)
_PREFIX = "tag:yaml.org,2002:"
_READ: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
    "str": str,
}


class _Core(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


for _tag, _pattern, _first in _CORE:
    _starts = ["" if c == "\0" else c for c in _first]
    _Core.add_implicit_resolver(_PREFIX + _tag, re.compile(f"(?:{_pattern})\\Z"), _starts)


def load(source: str | Path, where: str) -> tuple[Any, Lines]:
    """Data of one YAML document, and a function from a key path to its line (from 1).

    `source` is the text itself, or a Path to a UTF-8 file. `where` names it in errors. The line of a path
    that is not in the document, such as a missing key, is that of its nearest parent.
    Raises InputError: larger than 256 kB, not UTF-8, not YAML, several documents, an anchor, alias or tag,
    nesting beyond 32, a duplicate key.
    """
    text = _text(source, where)
    try:
        _refuse_tricks(text, where)
        root = yaml.compose(text, Loader=_Core)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise InputError(
            f"This is not valid YAML: {str(what)[:80]}.",
            where=where,
            line=None if mark is None else mark.line + 1,
            remedy="Correct that line; quote texts that hold ': ', '#' or a leading special character.",
        ) from None
    lines: dict[Key, int] = {(): 1}
    data = None if root is None else _build(root, (), lines, where)

    def line_of(path: Key) -> int:
        while path not in lines:
            path = path[:-1]
        return lines[path]

    return data, line_of


def validate(model: type[Model], data: Any, line_of: Lines, where: str) -> Model:
    """`data` as `model`; a violation becomes one InputError at the first wrong line, naming up to five."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = sorted((line_of(tuple(e["loc"])), _plain(e)) for e in error.errors(include_url=False))
        more = f" And {len(found) - 5} more." if len(found) > 5 else ""
        first, rest = found[0], [f"Line {line}: {text}." for line, text in found[1:5]]
        raise InputError(
            " ".join([f"{first[1]}.", *rest]) + more, where=where, line=first[0], remedy=_remedy(model, error)
        ) from None


def _plain(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{name} is not a known key"
    if error["type"] == "missing":
        return f"{name} is missing"
    given = error["input"]
    shown = "" if isinstance(given, (dict, list)) or given is None else f", not {str(given)[:60]!r}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:].rstrip('.')}{shown}"


def _remedy(model: type[BaseModel], error: ValidationError) -> str:
    unknown = [
        e for e in error.errors(include_url=False) if e["type"] == "extra_forbidden" and len(e["loc"]) == 1
    ]
    if unknown:
        return f"Known keys here: {', '.join(model.model_fields)}."
    return "Correct the line; the file's documentation lists every field."


def _text(source: str | Path, where: str) -> str:
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source.encode())
        if size > MAX_BYTES:
            raise InputError(
                f"The file has {size:,} bytes; {MAX_BYTES:,} is the limit.",
                where=where,
                remedy="Split or shorten it.",
            )
        return source.read_text(encoding="utf-8-sig") if isinstance(source, Path) else source
    except UnicodeError:
        raise InputError("The file is not UTF-8 text.", where=where, remedy="Save it as UTF-8.") from None
    except OSError as error:
        raise InputError(
            f"The file cannot be read: {error.strerror}.",
            where=where,
            remedy="Check the path and its permissions.",
        ) from None


def _refuse_tricks(text: str, where: str) -> None:
    """Stops at the first anchor, alias, tag or too deep nesting, before anything is built from the text."""
    for event in shallow(text, where):
        trick = None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            trick, remedy = (
                "an anchor or alias (& or *)",
                "Write the value out; quote a text that starts with & or *.",
            )
        elif isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
            trick, remedy = "a tag (!)", "Remove the tag; quote a text that starts with !."
        if trick:
            raise InputError(
                f"The file uses {trick}, which is refused.", where=where, line=_line(event), remedy=remedy
            )


def shallow(text: str, where: str, deepest: int = MAX_DEPTH) -> Iterator[yaml.Event]:
    """The events of YAML, which cost no stack. Raises InputError at the first that is nested deeper than `deepest`: what
    is built from such a text by the parser in C ends the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Core):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            raise InputError(
                f"The file uses nesting deeper than {deepest}, which is refused.",
                where=where,
                line=_line(event),
                remedy="Flatten it.",
            )
        yield event


def _line(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1


def _build(node: yaml.Node, path: Key, lines: dict[Key, int], where: str) -> Any:
    lines.setdefault(path, _line(node))
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, i), lines, where) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _READ[node.tag.removeprefix(_PREFIX)](node.value)
    data: dict[str, Any] = {}
    for key, value in node.value:
        line = _line(key)
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(
                "A key is a list or a mapping.", where=where, line=line, remedy="Write the key as text."
            )
        if key.value in data:
            raise InputError(
                f"The key {key.value[:60]!r} stands twice, first in line {lines[(*path, key.value)]}.",
                where=where,
                line=line,
                remedy="Keep one of the two.",
            )
        lines[(*path, key.value)] = line
        data[key.value] = _build(value, (*path, key.value), lines, where)
    return data
