"""From rows to a checked table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import pandas as pd
from pandera.errors import SchemaErrors

from ..errors import InputError
from .tables import TABLES, columns, dtypes


def frame(table: str, rows: Iterable[Mapping[str, Any]] | pd.DataFrame = ()) -> pd.DataFrame:
    """A checked frame of `table` from row mappings or a frame; absent columns are null.

    Times may be aware datetimes or timestamps of any zone; they become UTC microseconds.
    Raises InputError where a value does not fit its column: the end of every source.
    """
    given = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if not given.shape[1] and given.empty:
        return _empty(table).copy()
    wanted = dtypes(table)
    unknown = sorted(set(given.columns) - set(wanted))
    if unknown:
        raise InputError(
            f"{table} has no column {', '.join(unknown)}.", remedy=f"It has: {', '.join(wanted)}."
        )
    made = {}
    for name, dtype in wanted.items():
        values = given[name] if name in given else pd.Series([None] * len(given), dtype=object)
        try:
            if isinstance(dtype, pd.DatetimeTZDtype):
                values = pd.to_datetime(values, utc=True)
            made[name] = values.astype(dtype).reset_index(drop=True)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"Column {name} of {table} cannot hold these values: {error}.", remedy=f"It holds {dtype}."
            ) from error
    return check(table, pd.DataFrame(made, columns=list(wanted)))


@cache
def _empty(table: str) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes(table).items()})


def check(table: str, given: pd.DataFrame) -> pd.DataFrame:
    """`given`, unchanged, when it obeys every rule of `table`; else InputError with rows and remedy."""
    model, keys = TABLES[table]
    if not _obeys(table, given):  # pandera tells what is wrong: 20 ms a table, which a report reads thirty of
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


_BREAKS: dict[str, Callable[[pd.Series, Any], pd.Series]] = {
    "isin": lambda values, of: ~values.isin(list(of)),
    "greater_than_or_equal_to": lambda values, least: values < least,
    "greater_than": lambda values, bound: values <= bound,
    "less_than_or_equal_to": lambda values, most: values > most,
    "str_matches": lambda values, pattern: ~values.str.match(pattern),
}


def _obeys(table: str, given: pd.DataFrame) -> bool:
    """Whether `given` surely keeps the rules of `table`, read from the same model that pandera checks by."""
    known = columns(table)
    if len(given.columns) != len(known) or set(given.columns) != set(known):
        return False
    for name, column in known.items():
        values = given[name]
        if values.dtype != column.dtype.type or (values.hasnans and not column.nullable):
            return False
        present = values.dropna() if column.checks and column.nullable else values
        for rule in column.checks:
            (argument,) = rule.statistics.values()
            if rule.name not in _BREAKS or bool(_BREAKS[rule.name](present, argument).any()):
                return False
    return True


def _sentence(table: str, error: SchemaErrors) -> str:
    cases = error.failure_cases
    parts = []
    for (column, rule), group in cases.groupby(["column", "check"], dropna=False, sort=True):
        rows = [int(i) for i in group["index"].dropna().head(5)]
        values = ", ".join(repr(v)[:60] for v in group["failure_case"].head(3))
        where = f" in row(s) {', '.join(map(str, rows))}" if rows else ""
        parts.append(f"{table}.{column}: {len(group)} value(s) break '{rule}'{where}: {values}")
    return "; ".join(parts) + "."
