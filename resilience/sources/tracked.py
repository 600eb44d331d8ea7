"""Rows of `incidents` from records that an incident tracker exported: one collector for all trackers.

Records are untrusted: a value of the wrong type becomes null and a row of `problems`, never an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from typing import Any

from .problems import problem

Row = dict[str, Any]

MOMENTS = ("started", "detected", "declared", "acknowledged", "mitigated", "resolved")
_IN_ORDER = ("started", "detected", "mitigated", "resolved")
_LINE, _TEXT, _ITEMS = 300, 200_000, 200  # longest line and text in characters, most services of an incident
_EXAMPLE = 60
_YEARS = range(2000, 2101)
_SAID_KIND = re.compile(r"\s*\[\s*(test|training|drill|game ?day)\s*\]", re.IGNORECASE)
_KINDS = {"test": "test", "training": "test", "drill": "drill", "gameday": "drill", "game day": "drill"}
_WHY = {
    "started": "time to detect, mitigate and restore are not known for them",
    "detected": "time to detect and repair are not known for them",
    "acknowledged": "time to acknowledge is not known for them",
    "mitigated": "time to mitigate and repair are not known for them",
}


class Collector:
    """Incidents of one file as rows of their table, with rows of `incident_names`, `timeline` and `problems` beside them.

    `clocks` maps each moment to the field that states it, None where the tracker has no such moment: `finish` adds
    one problem row per moment and file for all incidents that lack it.
    """

    def __init__(self, source: str, uri: str, clocks: Mapping[str, str | None]) -> None:
        self.source, self.uri, self.clocks = source, uri, clocks
        self.incidents: list[Row] = []
        self.names: list[Row] = []
        self.timeline: list[Row] = []
        self.problems: list[Row] = []
        self.modified: dict[str, str] = {}
        self._counted: Counter[tuple[str, str, str, str]] = Counter()

    def identity(self, value: object, place: int) -> str | None:
        """`value` as the second half of an incident id; None, told, where it cannot be one: the record is not used."""
        found = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(found, str) and 0 < len(found.strip()) <= 200 and found.isprintable():
            return found.strip()
        self.tell(
            "unreadable",
            f"Record {place + 1} has no usable id ({_shown(value)}); it was not read.",
            "Export it again with its id.",
            field="incident_id",
        )
        return None

    def line(self, value: object, field: str, subject: str) -> str | None:
        """One line of text; None where empty, and told where it is no text."""
        found = self.text(value, field, subject)
        if found is None:
            return None
        found = " ".join(found.split())
        return found if len(found) <= _LINE else found[: _LINE - 1] + "…"

    def text(self, value: object, field: str, subject: str) -> str | None:
        if isinstance(value, str):
            return clean(value).strip()[:_TEXT] or None
        if value is not None:
            self._unreadable(value, field, subject, "a text")
        return None

    def number(self, value: object, field: str, subject: str) -> float | None:
        """A finite number; None where there is none, and told where it is no number."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15:
            return float(value)
        if value is not None:
            self._unreadable(value, field, subject, "a number")
        return None

    def items(self, values: object, field: str, subject: str) -> str | None:
        """Names sorted and joined by ', ' (a comma inside a name keeps no blank after it); None where there are none.

        `values` is a list of texts, or of objects with a `name` or `summary`; one text counts as a list of one.
        """
        given = [] if values is None else values if isinstance(values, list) else [values]
        found: set[str] = set()
        for value in given[:_ITEMS]:
            name = self.line(named(value), field, subject)
            if name:
                found.add(name.replace(", ", ","))
        if len(given) > _ITEMS:
            self.tell(
                "unreadable",
                f"{subject} names {len(given)} {field}; the first {_ITEMS} were read.",
                "Check the export.",
                subject=subject,
                field=field,
            )
        return ", ".join(sorted(found)) or None

    def moment(self, value: object, field: str, subject: str, zone: tzinfo | None = None) -> datetime | None:
        """An ISO time with its zone, in UTC; None, told, for anything else that is not null.

        `zone`: that of times without one, where the export states it.
        """
        if value is None or value == "":
            return None
        at = moment(value, zone)
        if at is None:
            said = "no zone" if isinstance(value, str) and _without_zone(value) else "no time"
            self.tell(
                "missing" if said == "no zone" else "unreadable",
                f"{field} of {subject} is {_shown(value)}: {said} that can be used.",
                "Export times as 2021-03-04T10:00:00Z, with their zone.",
                subject=subject,
                field=field,
            )
        return at

    def count(self, kind: str, message: str, remedy: str, field: str) -> None:
        """One more incident of which `message` holds: `finish` writes one row with their number before it."""
        self._counted[(kind, message, remedy, field)] += 1

    def tell(self, kind: str, message: str, remedy: str, **about: Any) -> None:
        self.problems.append(problem(self.uri, kind, message, remedy, **about))

    def add(
        self, key: str, row: Mapping[str, Any], *, names: Iterable[object] = (), modified: object = None
    ) -> None:
        """Keep `row` (columns of `incidents`) under `source:key`. `names`: what other sources may call it."""
        incident_id = f"{self.source}:{key}"
        title = str(row.get("title") or f"{self.source} {key}")
        kind, said = row.get("kind") or "real", _SAID_KIND.match(title)
        if kind == "real" and said:
            kind = _KINDS[said[1].lower()]
            self.count(
                "skipped",
                f"counted as {kind}, not as real: the title says so",
                "Correct the kind if that is wrong.",
                "kind",
            )
        full = {**row, "title": title, "kind": kind, "detected_by": row.get("detected_by") or "unknown"}
        full["text"] = str(row.get("text") or title)[:_TEXT]
        fixed = {
            "incident_id": incident_id,
            "simulated": False,
            "source": self.source,
            "source_uri": self.uri,
        }
        self.incidents.append({**full, **fixed})
        given = {name.strip() for name in map(_name, names) if name}
        self.names += [{"incident_id": incident_id, "name": name} for name in sorted(given) if name]
        self.modified[incident_id] = modified if isinstance(modified, str) else ""
        self._out_of_order(full, incident_id)

    def finish(self, of: str) -> None:
        """Tell, once per file, which moments are not stated and by how many; `of` is the tracker's name in words."""
        total = len(self.incidents)
        for name, why in _WHY.items():
            lack, field = sum(row.get(f"{name}_at") is None for row in self.incidents), self.clocks.get(name)
            if lack:
                told = f"{of} states no such moment" if field is None else f"{field} is not set"
                self.tell(
                    "missing",
                    f"{lack} of {total} incidents have no {name}_at ({told}): {why}.",
                    "Write it in a report of the incident, or add a correction (docs/sources.md).",
                    field=f"{name}_at",
                )
        for (kind, message, remedy, field), n in sorted(self._counted.items()):
            self.tell(kind, f"{n} of the file's records: {message}.", remedy, field=field)

    def _out_of_order(self, row: Mapping[str, Any], subject: str) -> None:
        known = [(name, row[f"{name}_at"]) for name in _IN_ORDER if row.get(f"{name}_at") is not None]
        for (one, first), (two, second) in pairwise(known):
            if second < first:
                self.tell(
                    "contradiction",
                    f"{two} of {subject} ({second.isoformat()}) is before {one} ({first.isoformat()}).",
                    "Correct the tracker, or add a correction (docs/sources.md).",
                    subject=subject,
                    field=f"{two}_at",
                )

    def _unreadable(self, value: object, field: str, subject: str, wanted: str) -> None:
        self.tell(
            "unreadable",
            f"{field} of {subject} is {_shown(value)}, not {wanted}; it stays empty.",
            "Export it again, or correct it in the tracker.",
            subject=subject,
            field=field,
        )


def moment(value: object, zone: tzinfo | None = None) -> datetime | None:
    """An ISO time with its zone (else `zone`) between 2000 and 2100, in UTC; None for anything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        at = at if at.tzinfo else at.replace(tzinfo=zone)
        return at.astimezone(UTC) if at.tzinfo and at.year in _YEARS else None
    except (ValueError, OverflowError):
        return None


def clean(text: str) -> str:
    """Text without NUL and lone surrogates, which neither Arrow nor a file can hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def named(value: object) -> object:
    """The name of an object that has one; anything else as it is."""
    if isinstance(value, Mapping):
        return next((value[key] for key in ("name", "summary") if isinstance(value.get(key), str)), None)
    return value


def under(value: object, *path: str) -> Any:
    """`value[path[0]][path[1]]...`, None where a step is missing or no object."""
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and 3 < len(value.strip()) <= 500 and value.isprintable() else None


def _without_zone(value: str) -> bool:
    try:
        return len(value) <= 40 and datetime.fromisoformat(value.strip()).tzinfo is None
    except ValueError:
        return False


def _shown(value: object) -> str:
    if isinstance(value, (Mapping, list)):
        return "an object" if isinstance(value, Mapping) else "a list"
    return "missing" if value is None else repr(value)[:_EXAMPLE]
