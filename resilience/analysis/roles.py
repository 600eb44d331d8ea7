"""Names become roles: who took part is told by what they did, unless names are asked for.

A page travels further than the people on it agreed to. The names that a GameDay states are looked for in every text
of it, so that a surprise noted as "Mara's laptop" does not carry one out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

LEAST = 3  # letters of a first or last name that is looked for by itself


def hidden(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """`tables` of one GameDay with each name of `gameday_roles` replaced by "a <role>" in every text column.

    Full names are found in any case; a first or last name by itself only as it is written. One that is also a plain
    word of these texts ("Will", where "will" stands elsewhere) counts only where no sentence begins.
    """
    replace = _replacer(tables)
    shown = {name: rows.copy() if name in TABLES else rows for name, rows in tables.items()}
    shown["gameday_roles"]["names"] = None
    shown["gameday_roles"] = shown["gameday_roles"].astype(tables["gameday_roles"].dtypes.to_dict())
    if replace is None:
        return shown
    for table, columns in _TEXTS.items():
        for column in columns if table in shown else ():
            rows = shown[table]
            rows[column] = rows[column].map(replace, na_action="ignore").astype(tables[table][column].dtype)
    return shown


_TEXTS: dict[str, tuple[str, ...]] = {
    "gamedays": ("title", "theme", "summary"),
    "gameday_scores": ("team", "reason"),
    "gameday_surveys": ("question",),
    "gameday_notes": ("text", "audience", "owner"),
    "experiments": ("title", "symptom", "prediction", "hypothesis", "outcome_text", "fallback"),
    "experiment_events": ("role", "text"),
}


TABLES = ("gameday_roles", *_TEXTS)
"""Tables that `hidden` reads; others pass it as they are."""


def _replacer(tables: Mapping[str, pd.DataFrame]) -> _Replace | None:
    stated = tables["gameday_roles"].dropna(subset=["names"])
    people = {
        name.strip(): str(row.role)
        for row in stated.itertuples()
        for name in row.names.split(",")
        if name.strip()
    }
    if not people:
        return None
    texts = [t for table, columns in _TEXTS.items() for c in columns for t in tables[table][c].dropna()]
    return _Replace(people, set(re.findall(r"\b[a-z]+\b", " ".join(texts))))


class _Replace:
    def __init__(self, people: Mapping[str, str], words: set[str]) -> None:
        self._full = {name.casefold(): role for name, role in people.items()}
        self._parts: dict[str, str] = {}
        for name, role in people.items():
            for part in re.findall(r"[^\W\d_]+", name):
                if len(part) >= LEAST and part[0].isupper():
                    self._parts.setdefault(part, role)
        self._plain = {part for part in self._parts if part.casefold() in words}
        self._find_full = _words(self._full, re.IGNORECASE)
        self._find_part = _words(self._parts, 0) if self._parts else None

    def __call__(self, text: str) -> str:
        text = self._find_full.sub(lambda m: _article(self._full[m[0].casefold()], m), text)
        return self._find_part.sub(self._part, text) if self._find_part else text

    def _part(self, found: re.Match[str]) -> str:
        before = found.string[: found.start()].rstrip()
        begins = not before or before[-1] in ".!?:\n"
        if found[0] in self._plain and begins:
            return found[0]
        return _article(self._parts[found[0]], found)


def _words(names: Mapping[str, str], flags: int) -> re.Pattern[str]:
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", flags)


def _article(role: str, found: re.Match[str]) -> str:
    """The role with its article, a capital where a sentence begins."""
    before = found.string[: found.start()].rstrip()
    article = "an" if role[:1].lower() in "aeiou" else "a"
    article = article.capitalize() if not before or before[-1] in ".!?" else article
    return f"{article} {role}"
