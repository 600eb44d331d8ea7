"""Reports that seem to tell of one incident, or of incidents at the same time on the same service. None is merged."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any
from zlib import crc32

from .problems import problem

Row = dict[str, Any]

TWICE = "If both tell of one incident, keep one of the two reports; until then each counts as its own."
OVERLAP = (
    "If they are one incident, keep one report; if a time is wrong, correct it; else nothing is to be done."
)
_WORD = re.compile(r"\w+")
_SKETCH = 96
"""Smallest hashes kept of a text: of two texts, the share they have in common estimates how alike they are."""
_ALIKE = 0.8
_FEWEST = 20
_HOLDERS = 5
_DAY = timedelta(days=1)
_MOMENTS = ("started_at", "detected_at", "mitigated_at", "resolved_at")


def problems(incidents: Iterable[Row]) -> list[Row]:
    """A row for each pair, about the later of the two files by name. Texts and times are compared, not ids."""
    rows = sorted(incidents, key=lambda row: row["source_uri"])
    told: dict[tuple[str, str], Row] = {}
    for one, two, why in [*_alike(rows), *_same_title(rows)]:
        what = f"This seems to be the incident of {one['source_uri']}: {why}."
        told.setdefault((one["incident_id"], two["incident_id"]), _row(two, "contradiction", what, TWICE))
    for one, two, service in _overlapping(rows):
        what = f"It overlaps with {one['incident_id']} ({one['source_uri']}) on {service}: {_span(two)} and {_span(one)}."
        told.setdefault((one["incident_id"], two["incident_id"]), _row(two, "doubtful", what, OVERLAP))
    return list(told.values())


def _row(incident: Row, kind: str, what: str, remedy: str) -> Row:
    return problem(
        incident["source_uri"],
        kind,
        what,
        remedy,
        line=1,
        subject=incident["incident_id"],
        field="incident_id",
    )


def _alike(rows: list[Row]) -> Iterator[tuple[Row, Row, str]]:
    """Pairs whose texts share most runs of four words."""
    holders: dict[int, list[int]] = defaultdict(list)
    sketches: list[frozenset[int]] = []
    for i, row in enumerate(rows):
        words = _WORD.findall(row["text"][:200_000].lower())
        runs = {crc32(" ".join(words[j : j + 4]).encode("utf-8", "replace")) for j in range(len(words) - 3)}
        sketch = frozenset(islice(sorted(runs), _SKETCH)) if len(runs) >= _FEWEST else frozenset()
        shared = Counter(j for value in sketch for j in holders[value])
        for j, n in shared.items():
            # of the smallest hashes of both texts together, how many are in both
            both = frozenset(islice(sorted(sketch | sketches[j]), _SKETCH))
            share = len(both & sketch & sketches[j]) / len(both)
            if n >= _ALIKE / 2 * len(both) and share >= _ALIKE:
                yield rows[j], row, f"about {share:.0%} of the text is the same"
        for value in sketch:
            if len(holders[value]) < _HOLDERS:
                holders[value].append(i)
        sketches.append(sketch)


def _same_title(rows: list[Row]) -> Iterator[tuple[Row, Row, str]]:
    """Pairs of one title, of which some moment lies within a day."""
    titled: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        title = " ".join(_WORD.findall(row["title"].lower()))
        for other in titled[title][-_HOLDERS:]:
            for moment in _MOMENTS:
                one, two = other[moment], row[moment]
                if one and two and abs(one - two) < _DAY:
                    name = moment.removesuffix("_at")
                    yield (
                        other,
                        row,
                        f"same title, {name} {one:%Y-%m-%d %H:%M} there and {two:%Y-%m-%d %H:%M} here",
                    )
                    break
        if title:
            titled[title].append(row)


def _overlapping(rows: list[Row]) -> Iterator[tuple[Row, Row, str]]:
    """Pairs that touch one service at the same time, as far as start and end of both are known."""
    by_service: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["started_at"] and _end(row):
            for service in (row["services"] or "").split(", "):
                by_service[service].append(row)
    for service, touched in by_service.items():
        active: list[Row] = []
        for row in sorted(touched, key=lambda row: row["started_at"]) if service else ():
            active = [other for other in active if _end(other) > row["started_at"]][-_HOLDERS:]
            for other in active:
                one, two = sorted((other, row), key=lambda row: row["source_uri"])
                yield one, two, service
            active.append(row)


def _end(row: Row) -> Any:
    return row["resolved_at"] or row["mitigated_at"]


def _span(row: Row) -> str:
    return f"{row['started_at']:%Y-%m-%d %H:%M} to {_end(row):%Y-%m-%d %H:%M} UTC"
