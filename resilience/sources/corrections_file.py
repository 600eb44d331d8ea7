"""data/corrections.yml: values that a person corrects, and incidents that a person links or parts.

A list of entries of three kinds, each with `reason`, `by` and `at`:
`{table, key, field, old, new}`, `{link: [id, id]}` and `{unlink: [id, id]}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from .. import schema
from ..errors import InputError
from . import yaml_text
from .tracked import moment

_DERIVED = {
    "incident_services": "services of incidents",
    "incident_teams": "teams of incidents",
    "incident_links": "link and unlink entries",
    "incident_names": "link entries",
    "problems": "the file that the problem is about",
    "corrections": "the entry itself",
}
"""Tables that are made from others -> where the correction belongs."""

_Words = Annotated[str, Field(min_length=1, max_length=2000)]
_Scalar = StrictStr | StrictBool | StrictInt | StrictFloat | None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: _Words
    by: _Words
    at: _Words


class _Value(_Entry):
    table: str
    key: dict[str, _Scalar]
    field: str
    old: _Scalar
    new: _Scalar


class _Link(_Entry):
    link: Annotated[list[str], Field(min_length=2, max_length=2)]


class _Unlink(_Entry):
    unlink: Annotated[list[str], Field(min_length=2, max_length=2)]


@dataclass(frozen=True)
class Read:
    """`corrections` and `links` (decided_by person): rows of the tables `corrections` and `incident_links`."""

    corrections: pd.DataFrame
    links: pd.DataFrame


def read(path: Path, uri: str) -> Read:
    """Entries of one file, an empty one included. Raises InputError with the line of the first entry that is wrong."""
    data, line_of = yaml_text.load(path, uri)
    if data is not None and not isinstance(data, list):
        raise InputError(
            "The file should hold a list of entries.", where=uri, line=1, remedy="See docs/sources.md."
        )
    values: dict[tuple[str, str, str], dict[str, Any]] = {}
    links: dict[tuple[str, str], dict[str, Any]] = {}
    for i, given in enumerate(data or []):
        line = line_of((i,))

        def within(path: tuple[str | int, ...], i: int = i) -> int:
            return line_of((i, *path))

        kind = next(
            (
                k
                for name, k in (("link", _Link), ("unlink", _Unlink))
                if isinstance(given, dict) and name in given
            ),
            _Value,
        )
        entry = yaml_text.validate(kind, given, within, uri)
        at = moment(entry.at)
        if at is None:
            remedy = "Write it as 2021-03-04T10:00:00Z."
            raise InputError(
                f"at: {entry.at!r:.60} is no time with its zone.",
                where=uri,
                line=within(("at",)),
                remedy=remedy,
            )
        if isinstance(entry, _Value):
            row = _value(entry, uri, line)
            cell = (row["target"], row["row_key"], row["column_name"])
            if cell in values:
                what = f"This value is corrected in line {values[cell]['line']} too."
                raise InputError(what, where=uri, line=line, remedy="Keep one of the two entries.")
            values[cell] = {**row, "corrected_at": at}
        else:
            linked = isinstance(entry, _Link)
            first, second = sorted(entry.link if isinstance(entry, _Link) else entry.unlink)  # type: ignore[attr-defined]
            if first == second or (first, second) in links:
                raise InputError(
                    f"{first} and {second} are the same, or stand in another entry too.",
                    where=uri,
                    line=line,
                    remedy="Name two incidents, each pair once.",
                )
            reason = f"{entry.reason} ({entry.by}, {at:%Y-%m-%d})"
            about = {"incident_id": first, "other_id": second, "linked": linked, "reason": reason}
            links[(first, second)] = {**about, "score": 1.0, "decided_by": "person"}
    return Read(
        schema.frame("corrections", list(values.values())),
        schema.frame("incident_links", list(links.values())),
    )


def _value(entry: _Value, uri: str, line: int) -> dict[str, Any]:
    def refuse(what: str, remedy: str) -> InputError:
        return InputError(what, where=uri, line=line, remedy=remedy)

    if entry.table in _DERIVED:
        raise refuse(f"{entry.table} is not corrected itself.", f"Correct {_DERIVED[entry.table]}.")
    if entry.table not in schema.TABLES:
        raise refuse(f"There is no table {entry.table[:60]!r}.", f"Tables: {', '.join(schema.TABLES)}.")
    keys = schema.key(entry.table)
    if set(entry.key) != set(keys):
        raise refuse(
            f"A row of {entry.table} has the key {', '.join(keys)}.", "Give a value for each of these."
        )
    if entry.field in keys or entry.field not in schema.dtypes(entry.table):
        columns = [c for c in schema.dtypes(entry.table) if c not in keys]
        raise refuse(
            f"{entry.field[:60]!r} cannot be corrected in {entry.table}.", f"Columns: {', '.join(columns)}."
        )
    return {
        "target": entry.table,
        "row_key": json.dumps({name: entry.key[name] for name in keys}),
        "column_name": entry.field,
        "old_value": json.dumps(entry.old),
        "new_value": json.dumps(entry.new),
        "reason": entry.reason,
        "corrected_by": entry.by,
        "source_uri": uri,
        "line": line,
    }
