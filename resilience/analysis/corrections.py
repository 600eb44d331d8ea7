"""Corrections of single values, applied to tables where an analysis reads them; stored rows stay as the source has them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from .. import schema
from ..errors import InputError


def apply(table: str, rows: pd.DataFrame, corrections: pd.DataFrame, *, whole: bool = True) -> pd.DataFrame:
    """`rows` of `table` with every entry of `corrections` (the table of that name) about them applied: all or none.

    `whole=False`: `rows` are a part of the table, so an entry about another row is passed over. Raises InputError,
    with file and line of the entry, where its row is not there, where the value there is not its old one, or where
    the new one does not obey the schema.
    """
    mine = corrections if corrections.empty else corrections[corrections["target"] == table]
    if mine.empty:
        return rows
    found = rows.copy()
    for entry in mine.sort_values(["source_uri", "line"]).itertuples():
        row_key = json.loads(entry.row_key)
        here = pd.Series(True, index=found.index)
        for column, value in row_key.items():
            here &= found[column] == _cell(table, column, value, entry)
        if not here.any():
            if whole:
                shown = ", ".join(f"{name} {value}" for name, value in row_key.items())
                raise _error(
                    entry, f"{table} has no row with {shown}.", "Correct the key, or remove the entry."
                )
            continue
        place = here.idxmax()
        old = _cell(table, entry.column_name, json.loads(entry.old_value), entry)
        new = _cell(table, entry.column_name, json.loads(entry.new_value), entry)
        there = found.loc[place, entry.column_name]
        if not _same(there, old):
            done = "it is already the new value" if _same(there, new) else f"it is {_shown(there)}"
            raise _error(
                entry,
                f"{entry.column_name} of {', '.join(map(str, row_key.values()))} should be {_shown(old)} before this "
                f"correction, but {done}.",
                "The source has changed: remove the entry, or write its old value anew.",
            )
        values = found[entry.column_name].astype(object)
        values[place] = new
        try:
            found = schema.frame(table, found.assign(**{entry.column_name: values}))
        except InputError as error:
            raise _error(entry, error.what, "Write a value that the column can hold.") from None
    return found


def _cell(table: str, column: str, value: Any, entry: Any) -> Any:
    """`value` from YAML as the column's type. Raises InputError where it is none."""
    dtype = schema.dtypes(table)[column]
    if value is None:
        return None
    if isinstance(dtype, pd.DatetimeTZDtype):
        try:
            at = pd.Timestamp(value) if isinstance(value, str) else None
        except ValueError:
            at = None
        if at is None or at is pd.NaT or at.tzinfo is None:
            raise _error(entry, f"{value!r} is no time with its zone.", "Write it as 2021-03-04T10:00:00Z.")
        return at.tz_convert("UTC").as_unit("us")
    kind = str(dtype).lower()
    fits = (
        isinstance(value, bool)
        if "bool" in kind
        else isinstance(value, (int, float)) and not isinstance(value, bool)
        if "int" in kind or "float" in kind
        else isinstance(value, str)
    )
    if not fits:
        raise _error(entry, f"{value!r} is no value of {table}.{column}.", f"It holds {kind.strip('<>')}.")
    return value


def _same(there: Any, value: Any) -> bool:
    if pd.isna(there) or value is None:
        return bool(pd.isna(there)) and value is None
    return bool(there == value)


def _shown(value: Any) -> str:
    return "empty" if value is None or pd.isna(value) else repr(str(value)[:80])


def _error(entry: Any, what: str, remedy: str) -> InputError:
    return InputError(what, where=entry.source_uri, line=int(entry.line), remedy=remedy)
