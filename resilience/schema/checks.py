"""From rows to a checked table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from pandera.errors import SchemaErrors

from ..errors import InputError
from .tables import TABLES, dtypes


def frame(table: str, rows: Iterable[Mapping[str, Any]] | pd.DataFrame = ()) -> pd.DataFrame:
    """A checked frame of `table` from row mappings or a frame; absent columns are null.

    Times may be aware datetimes or timestamps of any zone; they become UTC microseconds.
    Raises InputError where a value does not fit its column: the end of every source.
    """
    given = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    wanted = dtypes(table)
    unknown = sorted(set(given.columns) - set(wanted))
    if unknown:
        raise InputError(
            f"{table} has no column {', '.join(unknown)}.", remedy=f"It has: {', '.join(wanted)}."
        )
    columns = {}
    for name, dtype in wanted.items():
        values = given[name] if name in given else pd.Series([None] * len(given), dtype=object)
        try:
            if isinstance(dtype, pd.DatetimeTZDtype):
                values = pd.to_datetime(values, utc=True)
            columns[name] = values.astype(dtype).reset_index(drop=True)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"Column {name} of {table} cannot hold these values: {error}.", remedy=f"It holds {dtype}."
            ) from error
    return check(table, pd.DataFrame(columns, columns=list(wanted)))


def check(table: str, given: pd.DataFrame) -> pd.DataFrame:
    """`given`, unchanged, when it obeys every rule of `table`; else InputError with rows and remedy."""
    model, keys = TABLES[table]
    try:
        model.validate(given, lazy=True)
    except SchemaErrors as error:
        raise InputError(
            _sentence(table, error), remedy="Correct the rows named, or the reader that made them."
        ) from None
    repeated = given.duplicated(list(keys))
    if repeated.any():
        first = given.loc[repeated, list(keys)].iloc[0].to_dict()
        raise InputError(
            f"{table}: {int(repeated.sum())} row(s) repeat a key, first {first}.",
            remedy=f"Each ({', '.join(keys)}) may stand once.",
        )
    return given


def _sentence(table: str, error: SchemaErrors) -> str:
    cases = error.failure_cases
    parts = []
    for (column, rule), group in cases.groupby(["column", "check"], dropna=False, sort=True):
        rows = [int(i) for i in group["index"].dropna().head(5)]
        values = ", ".join(repr(v)[:60] for v in group["failure_case"].head(3))
        where = f" in row(s) {', '.join(map(str, rows))}" if rows else ""
        parts.append(f"{table}.{column}: {len(group)} value(s) break '{rule}'{where}: {values}")
    return "; ".join(parts) + "."
