"""The taxonomy of failure classes, and the matching of its phrases in reports.

Phrases are words, not regular expressions: matching looks each word up once, so its cost grows with the length of
the text and nothing in an untrusted report can make it explode.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import NamedTuple

import yaml

from ..errors import InputError

UNKNOWN = "unknown"
MAX_WORDS = 4000  # of a report; the cause stands well before
HINT = 0.3  # what a hint counts against a phrase
GAP = 4  # words that ' .. ' may span
MOST_WORDS = 200_000  # that are remembered while many texts are matched
LONGEST = 40  # characters that the first word of a phrase may have
_WORD = re.compile(r"[a-z0-9]+")
_SENTENCE = re.compile(r"[.!?;:\n]+(?=\s|$)")
_CAUSE = frozenset(
    _WORD.findall(
        "root cause caused causing because due triggered trigger attributed traced resulted stemmed culprit reason"
    )
)
_REMEDY = frozenset(
    _WORD.findall(
        "prevent prevention improve improving improvement improvements future lessons remediation mitigated restored "
        "resolved recover recovered recovery restoring plan planned will should"
    )
)
_NEGATION = frozenset(_WORD.findall("not no never without neither nor unrelated isn wasn weren aren"))


_Pattern = tuple[tuple[str, ...], str, float]  # its words, whose it is, what it weighs


class _Starts(dict[str, tuple[_Pattern, ...]]):
    """Word -> patterns whose first word it may be: those that begin with it, and those that leave its ending open."""

    def __init__(self, index: dict[str, list[_Pattern]]) -> None:
        self._index = index

    def __missing__(self, word: str) -> tuple[_Pattern, ...]:
        heads = [word, *(f"{word[:length]}*" for length in range(2, min(len(word), LONGEST) + 1))]
        found = tuple(pattern for head in heads for pattern in self._index.get(head, ()))
        if len(self) < MOST_WORDS:
            self[word] = found
        return found


class Hit(NamedTuple):
    """One phrase found: its class, the words as they stand in the report, and what it counts."""

    failure_class: str
    words: str
    weight: float


@dataclass(frozen=True)
class Entry:
    """A class or mechanism: what it means, examples, and the phrases that name it (hints only point to it)."""

    name: str
    definition: str
    examples: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """Versioned classes (`unknown` apart, always allowed) and mechanisms, which are tags and not classes."""

    version: str
    classes: tuple[Entry, ...]
    mechanisms: tuple[Entry, ...]
    unknown: Entry
    written_from: tuple[str, ...]  # names of the corpora that were read when the phrases were written
    renamed: dict[str, str]  # old name of a class -> its name of today
    _index: dict[str, list[_Pattern]] = field(repr=False, compare=False)

    @property
    def names(self) -> list[str]:
        """Names of the classes, without `unknown`, in the order of the file."""
        return [entry.name for entry in self.classes]

    def hits(self, text: str) -> list[Hit]:
        """Phrases of the classes in `text`, in order. A sentence that speaks of causes counts double, one that speaks of
        remedies half; a negated phrase does not count."""
        return self.hits_of([text])[0]

    def hits_of(self, texts: Iterable[str]) -> list[list[Hit]]:
        """`hits` of each of many texts; a word that they share is looked up once."""
        names, starts = frozenset(self.names), _Starts(self._index)
        return [[Hit(*hit) for hit in self._found(text, starts) if hit[0] in names] for text in texts]

    def mechanisms_in(self, text: str) -> list[str]:
        """Names of the mechanisms that `text` mentions, in the order of the file."""
        seen = {name for name, _, _ in self._found(text, _Starts(self._index))}
        return [entry.name for entry in self.mechanisms if entry.name in seen]

    def _found(self, text: str, starts: _Starts) -> Iterator[tuple[str, str, float]]:
        left = MAX_WORDS
        for sentence in _SENTENCE.split(text.lower()):
            words = _WORD.findall(sentence)[: max(left, 0)]
            left -= len(words)
            present = set(words)
            emphasis = (2.0 if present & _CAUSE else 1.0) * (0.5 if present & _REMEDY else 1.0)
            taken: dict[str, int] = {}  # class -> end of its last phrase: words inside it count once
            for start, word in enumerate(words):
                if not starts[word]:
                    continue
                ends: dict[str, tuple[int, float]] = {}
                for pattern, name, weight in starts[word]:
                    ends[name] = max(ends.get(name, (0, 0.0)), (_match(pattern, words, start), weight))
                for name, (end, weight) in ends.items():
                    denied = _NEGATION.intersection(words[max(0, start - 3) : start])
                    if end > taken.get(name, 0) and not denied:
                        taken[name] = end
                        yield name, " ".join(words[start:end]), weight * emphasis
            if left <= 0:
                return


def _match(pattern: tuple[str, ...], words: list[str], start: int) -> int:
    """End (exclusive) of `pattern` in `words` from `start`, or 0."""
    at, gap = start, 0
    for part in pattern:
        if part == "..":
            gap = GAP
            continue
        for place in range(at, min(at + gap + 1, len(words))):
            if words[place].startswith(part[:-1]) if part.endswith("*") else words[place] == part:
                at, gap = place + 1, 0
                break
        else:
            return 0
    return at


def _pattern(phrase: str) -> tuple[str, ...]:
    parts: list[str] = []
    for piece in phrase.lower().split():
        if piece == "..":
            parts.append(piece)
            continue
        words = _WORD.findall(piece)
        parts += [*words[:-1], words[-1] + "*"] if piece.endswith("*") and words else words
    return tuple(parts)


@cache
def packaged() -> Taxonomy:
    """The taxonomy that comes with the package."""
    text = resources.files("resilience").joinpath("taxonomy.yml").read_text("utf-8")
    return parse(text, "taxonomy.yml", trusted=True)


def parse(text: str, where: str = "taxonomy", *, trusted: bool = False) -> Taxonomy:
    """A taxonomy from YAML text, laid out as the packaged file is. InputError where it is not one.

    A `trusted` text is read by the parser in C, which is ten times as fast and runs out of stack on a hostile one.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if trusted else yaml.SafeLoader
    remedy = "Compare with the packaged taxonomy.yml."
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            raise InputError("YAML aliases are not read.", where=where, remedy="Write the text out.")
        given = yaml.load(text, Loader=loader)  # noqa: S506 (both are safe loaders)
        entries = {
            part: tuple(
                Entry(
                    str(name),
                    " ".join(str(body["definition"]).split()),
                    *(_texts(body, key) for key in _LISTS),
                )
                for name, body in given[part].items()
            )
            for part in ("classes", "mechanisms")
        }
        version = str(given["version"])
        read = _texts(given, "written_from")
        renamed = {str(old): str(new) for old, new in (given.get("renamed") or {}).items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"This is not a taxonomy: {error!r:.200}.", where=where, remedy=remedy) from None
    classes = tuple(entry for entry in entries["classes"] if entry.name != UNKNOWN)
    unknown = [entry for entry in entries["classes"] if entry.name == UNKNOWN]
    if len(classes) < 2 or not unknown:
        raise InputError("A taxonomy needs two classes and unknown.", where=where, remedy=remedy)
    names = {entry.name for entry in (*classes, *unknown)}
    for old, new in renamed.items():
        if old in names or new not in names:
            raise InputError(f"'{old}' cannot have been renamed to '{new}'.", where=where,
                             remedy="Left: a name that is gone; right: a class of this version.")  # fmt: skip
    index: dict[str, list[_Pattern]] = defaultdict(list)
    for entry in (*classes, *entries["mechanisms"]):
        for phrases, weight in ((entry.phrases, 1.0), (entry.hints, HINT)):
            for phrase in dict.fromkeys(phrases):
                pattern = _pattern(phrase)
                if (
                    not pattern
                    or len(pattern[0]) < 1 + 2 * pattern[0].endswith("*")
                    or len(pattern[0]) > LONGEST
                    or ".." in pattern[:: len(pattern) - 1 or 1]
                ):
                    raise InputError(
                        f"'{phrase}' of {entry.name} cannot be matched.", where=where, remedy=remedy
                    )
                index[pattern[0]].append((pattern, entry.name, weight))
    return Taxonomy(version, classes, entries["mechanisms"], unknown[0], read, renamed, dict(index))


_LISTS = ("examples", "phrases", "hints")


def _texts(body: dict[str, object], key: str) -> tuple[str, ...]:
    found = body.get(key) or ()
    if not isinstance(found, list | tuple):
        raise TypeError(f"{key} is not a list")
    return tuple(" ".join(str(item).split()) for item in found)
