"""Which rows moved: a digest per row, kept beside a report, against the rows that there are now."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .. import schema
from ..store import row_hashes

_MOST = 20_000  # rows of a table with times; of a longer one, those of a month share a digest
_NAMED = 3
_PAIR = np.dtype([("key", "<u8"), ("row", "<u4")])


def of(table: str, rows: pd.DataFrame, hashes: np.ndarray[Any, Any] | None = None) -> dict[str, str]:
    """Digests of `rows` for JSON: per `row` or per `month`, each with that of its key, in order.

    `hashes` are the `row_hashes` of `rows` where these are known.
    """
    if rows.empty:
        return {"per": "row", "pairs": ""}
    per = "month" if len(rows) > _MOST and "at" in _key(table, rows) else "row"
    keys, whole = _digested(table, rows, per, row_hashes(rows) if hashes is None else hashes)
    pairs = np.empty(len(keys), _PAIR)
    pairs["key"], pairs["row"] = row_hashes(keys), whole & 0xFFFFFFFF
    return {"per": per, "pairs": base64.b64encode(pairs.tobytes()).decode()}


def moved(table: str, made: Mapping[str, str], rows: pd.DataFrame) -> str:
    """Which of `rows` are not what `made` (from `of`) was made from, by their keys; a row that is gone, by its neighbour."""
    old = np.frombuffer(base64.b64decode(made["pairs"]), _PAIR)
    keys, whole = _digested(table, rows, made["per"], row_hashes(rows))
    now = pd.Series(row_hashes(keys))
    before = now.map(pd.Series(old["row"], index=old["key"]).groupby(level=0).first())
    added, changed = before.isna(), before.notna() & (before != (whole & 0xFFFFFFFF))
    gone = np.flatnonzero(~np.isin(old["key"], now))
    named = {"changed": _names(keys[changed.to_numpy()]), "added": _names(keys[added.to_numpy()])}
    said = [f"{what}: {names}" for what, names in named.items() if names]
    if len(gone):
        kept = old["key"][: gone[0]]
        left = keys[now.isin(kept[np.isin(kept, now)][-1:]).to_numpy()]
        where = f"after {_names(left)}" if len(left) else "at the start"
        said.append(f"gone: {len(gone)}, the first {where}")
    return "; ".join(said)


def _digested(
    table: str, rows: pd.DataFrame, per: str, hashes: np.ndarray[Any, Any]
) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Keys, and the hash of what stands under each: one row, or the sum of a month's."""
    keys = rows[_key(table, rows)].reset_index(drop=True)
    if per == "row":
        return keys, hashes
    month = keys["at"].dt.year * 100 + keys["at"].dt.month
    keys = keys.drop(columns="at").assign(month=month)
    group = keys.groupby(list(keys.columns), sort=False, dropna=False).ngroup().to_numpy()
    sums = np.zeros(group.max(initial=-1) + 1, dtype=np.uint64)
    np.add.at(sums, group, hashes)
    return keys.iloc[np.unique(group, return_index=True)[1]].reset_index(drop=True), sums


def _key(table: str, rows: pd.DataFrame) -> list[str]:
    return list(schema.key(table)) if table in schema.TABLES else [rows.columns[0]]


def _names(keys: pd.DataFrame) -> str:
    """The first few of `keys` in words, and how many more there are; nothing where there is none."""
    said = [
        " ".join(f"{name}={_value(value)}" for name, value in row.items())
        for row in keys.head(_NAMED).to_dict("records")
    ]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(said) + more


def _value(value: Any) -> str:
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)[:80]
