"""The same incident told by several sources: which rows are one, why, and which source's word is taken per field.

Ids first, then time, service and title. Nothing is merged in the store: links are rows that a person can undo.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .. import schema

SOURCES = (
    "markdown",
    "datadog",
    "pagerduty_log",
    "pagerduty",
    "pagerduty_analytics",
    "incident_io",
    "firehydrant",
    "jira",
    "github",
    "statuspage",
)
"""Whose word is taken first. What a person wrote afterwards comes before what a tool recorded."""

MIN_SCORE = 0.6
NEAR = pd.Timedelta(hours=4)  # begins further apart are never compared
NAMED_NEAR = pd.Timedelta(days=1)  # an id beyond this is a mention of another incident
_TIE = 0.1  # two candidates closer than this in score: neither is taken
_CROWD = 50  # candidates of one incident; more say nothing
_MOMENTS = [f"{name}_at" for name in schema.MOMENTS]
_FIELDS = [
    "title",
    "severity",
    "services",
    "teams",
    "environment",
    *_MOMENTS,
    "detected_by",
    "stated_detect_min",
    "stated_repair_min",
    "stated_restore_min",
    "summary",
    "kind",
]
_NOTHING = {"detected_by": "unknown", "kind": "real"}  # values that state nothing
_TOKEN = re.compile(r"[^\s<>()\[\]{}\"'|,;]{4,300}")
_WORD = re.compile(r"[^\W_]{3,40}")
_STOP = frozenset(
    (
        "the",
        "and",
        "for",
        "are",
        "was",
        "with",
        "from",
        "not",
        "incident",
        "outage",
        "issue",
        "issues",
        "problem",
        "problems",
        "due",
        "has",
        "have",
    )
)
_DATADOG = re.compile(r"[\w.-]{0,100}(?:datadoghq|ddog-gov)[\w.-]{0,40}/incidents/(\d{1,12})")


@dataclass(frozen=True)
class Links:
    """`table`: rows of incident_links. `doubts`: incident_id, field and message of what was not decided."""

    table: pd.DataFrame
    doubts: pd.DataFrame


@dataclass(frozen=True)
class Merged:
    """`incidents`: one row per real incident, with `linked_ids` (the other rows' ids, null where there are none).

    `fields`: for each incident of several rows and each field that any of them states: incident_id, field, from_id,
    source (whose value it is) and others (the differing values of the rest, null where none differs).
    """

    incidents: pd.DataFrame
    fields: pd.DataFrame


def find(incidents: pd.DataFrame, names: pd.DataFrame, decided: pd.DataFrame | None = None) -> Links:
    """Links between rows of `incidents` of different sources; `names` is the table incident_names.

    `decided` has rows of incident_links that a person decided: they come first, and what a person parted stays apart,
    through a third incident too. One row of a source is linked to at most one of another.
    """
    people = schema.frame("incident_links") if decided is None else decided
    groups = _Groups(incidents, people)
    if len(set(incidents["source"])) > 1:
        facts = _facts(incidents)
        groups.join(_named(facts, _called(incidents, names), groups), "id")
        groups.join(_alike(facts, groups), "similarity")
    table = schema.frame("incident_links", [*people.to_dict("records"), *groups.links])
    doubts = pd.DataFrame(groups.doubts, columns=["incident_id", "field", "message"]).drop_duplicates()
    return Links(table, doubts)


def merge(incidents: pd.DataFrame, links: pd.DataFrame) -> Merged:
    """`incidents` with linked rows as one, under the id of the source whose word is taken first (`SOURCES`).

    Each field is the first stated one in that order. Links of incidents that are not here have no effect.
    """
    group = _components(incidents["incident_id"], links[links["linked"]])
    order = incidents.assign(
        _group=group.to_numpy(),
        _rank=incidents["source"].map({s: i for i, s in enumerate(SOURCES)}).fillna(len(SOURCES)).to_numpy(),
    ).sort_values(["_group", "_rank", "incident_id"])
    several = order["_group"].duplicated(keep=False)
    alone = order[~several].assign(linked_ids=pd.Series(None, index=order[~several].index, dtype="str"))
    rows, fields = [], []
    for _, members in order[several].groupby("_group", sort=True):
        told = members.to_dict("records")
        first = dict(told[0])
        first["linked_ids"] = ", ".join(one["incident_id"] for one in told[1:])
        first["simulated"] = any(one["simulated"] for one in told)
        for field in _FIELDS:
            stating = [one for one in told if not _unstated(field, one[field])]
            if not stating:
                continue
            first[field] = stating[0][field]
            differing = [one for one in stating[1:] if _differs(one[field], first[field])]
            others = "; ".join(f"{one['incident_id']}: {str(one[field])[:80]}" for one in differing)
            about = {
                "incident_id": first["incident_id"],
                "field": field,
                "from_id": stating[0]["incident_id"],
            }
            fields.append({**about, "source": stating[0]["source"], "others": others or None})
        rows.append(first)
    columns = [*incidents.columns, "linked_ids"]
    parts = [alone[columns]]
    if rows:
        found = pd.DataFrame(rows)
        checked = schema.frame("incidents", found[list(incidents.columns)])
        parts.append(checked.assign(linked_ids=found["linked_ids"].astype("str")))
    whole = pd.concat(parts, ignore_index=True)
    whole = whole.sort_values("incident_id", ignore_index=True)
    named = ["incident_id", "field", "from_id", "source", "others"]
    return Merged(whole, pd.DataFrame(fields, columns=named).astype("str"))


def sentence(incidents: pd.DataFrame) -> str:
    """How many rows of a merged frame are told by several sources, as a sentence; empty where none is or none is known."""
    if "linked_ids" not in incidents:
        return ""
    told = incidents[["incident_id", "linked_ids"]].dropna().drop_duplicates("incident_id")
    n, more = len(told), int(told["linked_ids"].str.count(", ").sum()) + len(told)
    return f"Told by several sources and counted once: {n} (linked to {more} more rows)." if n else ""


def _unstated(field: str, value: Any) -> bool:
    return bool(pd.isna(value)) or value == _NOTHING.get(field)


def _differs(one: Any, other: Any) -> bool:
    if isinstance(one, pd.Timestamp):
        return bool(abs(one - other) > pd.Timedelta(minutes=1))
    return bool(one != other)


def _components(ids: pd.Series, linked: pd.DataFrame) -> pd.Series:
    """The group of each id: the smallest id that links lead to from it."""
    parent = {one: one for one in ids}
    for a, b in zip(linked["incident_id"], linked["other_id"], strict=True):
        if a in parent and b in parent:
            first, second = sorted((_root(parent, a), _root(parent, b)))
            parent[second] = first
    return ids.map(lambda one: _root(parent, one)).astype("str")


def _root(parent: dict[str, str], one: str) -> str:
    while parent[one] != one:
        parent[one] = parent[parent[one]]
        one = parent[one]
    return one


@dataclass(frozen=True)
class _Fact:
    """What is compared of one incident. `begin` and `end` are its earliest and latest moment, NaT where unknown."""

    incident_id: str
    source: str
    kind: str
    begin: pd.Timestamp
    end: pd.Timestamp
    services: frozenset[str]
    words: frozenset[str]
    text: str


def _facts(incidents: pd.DataFrame) -> dict[str, _Fact]:
    begin, end = incidents[_MOMENTS].min(axis=1), incidents[_MOMENTS].max(axis=1)
    columns = ["incident_id", "source", "kind", "services", "title", "text"]
    facts = {}
    for (one, source, kind, services, title, text), first, last in zip(
        incidents[columns].itertuples(index=False, name=None), begin, end, strict=True
    ):
        touched = frozenset(services.lower().split(", ")) if isinstance(services, str) else frozenset()
        words = frozenset(_WORD.findall(title.lower())) - _STOP
        facts[one] = _Fact(one, source, kind, first, last, touched, words, f"{title}\n{text}")
    return facts


class _Groups:
    """Incidents joined so far; never two of one source, never two that a person parted, unless a person says so."""

    def __init__(self, incidents: pd.DataFrame, people: pd.DataFrame) -> None:
        self.links: list[dict[str, Any]] = []
        self.doubts: list[dict[str, Any]] = []
        pairs = list(zip(people["incident_id"], people["other_id"], people["linked"], strict=True))
        self._apart = {(a, b) for a, b, linked in pairs if not linked}
        group = _components(incidents["incident_id"], people[people["linked"]])
        self._group = dict(zip(incidents["incident_id"], group, strict=True))
        self._source = dict(zip(incidents["incident_id"], incidents["source"], strict=True))
        self._members: dict[str, list[str]] = defaultdict(list)
        for one, name in self._group.items():
            self._members[name].append(one)

    def together(self, a: str, b: str) -> bool:
        return self._group[a] == self._group[b]

    def may_join(self, a: str, b: str) -> bool:
        mine, theirs = self._members[self._group[a]], self._members[self._group[b]]
        if {self._source[one] for one in mine} & {self._source[one] for one in theirs}:
            return False
        return not any((min(x, y), max(x, y)) in self._apart for x in mine for y in theirs)

    def join(self, pairs: Iterator[tuple[str, str, str, float]], decided_by: str) -> None:
        """Join (a, b, reason, score) in the order given, where that is allowed."""
        for a, b, reason, score in pairs:
            if self.together(a, b) or not self.may_join(a, b):
                continue
            first, second = sorted((a, b))
            row = {"incident_id": first, "other_id": second, "linked": True, "reason": reason[:500]}
            self.links.append({**row, "score": score, "decided_by": decided_by})
            into, gone = self._group[first], self._group[second]
            for one in self._members.pop(gone):
                self._group[one] = into
                self._members[into].append(one)

    def doubt(self, incident_id: str, message: str) -> None:
        self.doubts.append({"incident_id": incident_id, "field": "incident_id", "message": message})


def _called(incidents: pd.DataFrame, names: pd.DataFrame) -> dict[str, set[str]]:
    """Normalised name -> incidents of that name; a report's own id counts where it holds a digit."""
    called: dict[str, set[str]] = defaultdict(set)
    for one, name in zip(names["incident_id"], names["name"], strict=True):
        called[_plain(name)].add(one)
    for one in incidents["incident_id"]:
        if len(one) >= 4 and any(c.isdigit() for c in one):
            called[_plain(one)].add(one)
    return called


def _plain(name: str) -> str:
    """A name or address as it is compared: no scheme, case, final punctuation; Datadog's addresses without their site."""
    plain = name.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/.:!?*_`")
    found = _DATADOG.match(plain)
    return f"datadog/incidents/{found[1]}" if found else plain.lstrip("*_`#")


def _named(
    facts: dict[str, _Fact], called: dict[str, set[str]], groups: _Groups
) -> Iterator[tuple[str, str, str, float]]:
    """Pairs of which one names the other, or both have the same name."""
    mine: dict[str, set[str]] = defaultdict(set)
    for name, ids in called.items():
        for one in ids:
            mine[one].add(name)
    for a, fact in sorted(facts.items()):
        found: dict[str, dict[str, str]] = defaultdict(dict)  # source -> incident -> the name it was found by
        for name in sorted({_plain(token) for token in _TOKEN.findall(fact.text)} & called.keys() | mine[a]):
            for b in sorted(called[name]):
                other = facts.get(b)
                if other is None or other.source == fact.source:
                    continue
                if _apart(fact, other) > NAMED_NEAR:
                    far = f"{a} names {name[:80]}, but lies {_apart(fact, other).days} days from it: not linked."
                    groups.doubt(a, far)
                else:
                    found[other.source].setdefault(b, name)
        for source, others in sorted(found.items()):
            if len(others) > 1:
                names = ", ".join(sorted(others)[:5])
                groups.doubt(
                    a, f"{a} names {len(others)} incidents of {source} ({names}): none of them was linked."
                )
            for b, name in others.items() if len(others) == 1 else ():
                how = "have the same name" if name in mine[a] & mine[b] else f"{a} names {b}"
                yield a, b, f"{how}: {name[:120]}", 1.0


def _apart(one: _Fact, other: _Fact) -> pd.Timedelta:
    """Time between two incidents; zero where they overlap or a time is not known."""
    if pd.isna(one.begin) or pd.isna(other.begin):
        return pd.Timedelta(0)
    return max(one.begin - other.end, other.begin - one.end, pd.Timedelta(0))


def _alike(facts: dict[str, _Fact], groups: _Groups) -> Iterator[tuple[str, str, str, float]]:
    """Pairs alike in time, service and title, best first; where two are nearly as good, none of them."""
    dated = sorted((f for f in facts.values() if pd.notna(f.begin)), key=lambda f: (f.begin, f.incident_id))
    begins = np.array([f.begin.value for f in dated], dtype=np.int64)
    upto = np.searchsorted(begins, begins + NEAR.value, side="right")
    scored: dict[tuple[str, str], list[tuple[float, str, str]]] = defaultdict(list)
    for i, one in enumerate(dated):
        near = dated[i + 1 : min(int(upto[i]), i + 1 + 4 * _CROWD)]
        others = [f for f in near if f.source != one.source and f.kind == one.kind]
        if len(others) > _CROWD:
            groups.doubt(
                one.incident_id, f"{len(others)} incidents begin near {one.incident_id}: it was not compared."
            )
            continue
        for other in others:
            score, reason = _score(one, other)
            if score >= MIN_SCORE and groups.may_join(one.incident_id, other.incident_id):
                scored[(one.incident_id, other.source)].append((score, other.incident_id, reason))
                scored[(other.incident_id, one.source)].append((score, one.incident_id, reason))
    best: dict[tuple[str, str], tuple[float, str, str]] = {}
    for (a, source), found in sorted(scored.items()):
        found.sort(key=lambda s: (-s[0], s[1]))
        if len(found) > 1 and found[0][0] - found[1][0] < _TIE:
            names = " or ".join(one for _, one, _ in found[:3])
            groups.doubt(
                a, f"{a} may be {names} ({found[0][0]:.2f}, {found[1][0]:.2f}): none of them was linked."
            )
        else:
            best[(a, source)] = found[0]
    source_of = {one: fact.source for one, fact in facts.items()}
    mutual = [
        (a, b, reason, score)
        for (a, _), (score, b, reason) in best.items()
        if a < b and best.get((b, source_of[a]), (0.0, "", ""))[1] == a
    ]
    yield from sorted(mutual, key=lambda pair: (-pair[3], pair[0], pair[1]))


def _score(one: _Fact, other: _Fact) -> tuple[float, str]:
    """How alike, 0 to 1, and in what. Time alone never suffices: a word of the titles, and a service where known."""
    gap = abs(one.begin - other.begin)
    both = one.words & other.words
    title = 2 * len(both) / max(len(one.words) + len(other.words), 1)
    minutes = f"begin {gap.total_seconds() / 60:.0f} min apart, titles alike {title:.2f}"
    near = 1 - gap / NEAR
    if not one.services or not other.services:
        return (
            (round(0.6 * near + 0.4 * title, 3), f"{minutes}, service not known")
            if title >= 0.5
            else (0.0, "")
        )
    shared = sorted(one.services & other.services)
    if not shared or title < 0.2:
        return 0.0, ""
    overlap = len(shared) / min(len(one.services), len(other.services))
    score = 0.4 * near + 0.3 * title + 0.3 * overlap
    return round(score, 3), f"{minutes}, both touch {', '.join(shared[:3])}"
