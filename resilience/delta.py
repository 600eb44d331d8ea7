"""For the store alone. One Delta table: what is read of it, which rows are the same, how its files are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    QueryBuilder,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)

from . import schema

Span = tuple[datetime | pd.Timestamp, datetime | pd.Timestamp]
GROUP_ROWS = 1 << 18
FILE_BYTES = 256 << 20


def same_row(rows: pa.Table, keys: Sequence[str]) -> str:
    """When a stored row `t` is the row `s`."""
    match = " AND ".join(f"t.{column} = s.{column}" for column in keys)
    if "at" in keys and len(rows):  # says nothing new, but lets the merge leave out other files
        first, last = (micros(value) for value in ends(rows["at"]))
        match += f" AND t.at >= {first} AND t.at <= {last}"
    return match


def bytes_of(delta: DeltaTable) -> int:
    """Size on disk of the files that the version of `delta` is made of."""
    return pc.sum(pa.table(delta.get_add_actions(flatten=True))["size_bytes"]).as_py() or 0


def rows_of(table: str, delta: DeltaTable, where: str) -> pd.DataFrame:
    query = "SELECT * FROM t" + where  # noqa: S608 (values are escaped by literals)
    rows = pa.table(QueryBuilder().register("t", delta).execute(query)).to_pandas()
    # A version written before a column existed holds nothing in it; one that is no longer known is left out.
    wanted = schema.dtypes(table)
    rows = rows.reindex(columns=list(wanted)).astype(wanted)
    return schema.check(table, rows.sort_values(list(schema.key(table)), ignore_index=True))


def chosen(rows: pd.DataFrame, where: Mapping[str, list[str]], spans: Sequence[Span] | None) -> pd.DataFrame:
    """What the same conditions would have kept of `rows` in a query; a copy, which pandas makes when it is written to."""
    for column, values in where.items():
        rows = rows[rows[column].isin(values)]
    if spans is not None:
        within = pd.Series(False, index=rows.index)
        for first, last in spans:
            within |= (rows["at"] >= first) & (rows["at"] < last)
        rows = rows[within]
    return rows.reset_index(drop=True)


def may_hold(delta: DeltaTable, rows: pa.Table, keys: Sequence[str]) -> bool:
    """Whether a file of `delta` may hold a key of `rows`, by the smallest and largest value that it states per column."""
    files = pa.table(delta.get_add_actions(flatten=True))
    may = np.ones(len(files), dtype=bool)
    for key in keys:
        if not {f"min.{key}", f"max.{key}"} <= set(files.column_names):
            continue
        low, high, mine = files[f"min.{key}"], files[f"max.{key}"], rows[key]
        if pa.types.is_timestamp(mine.type):
            low, high, mine = (
                column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()) for column in (low, high, mine)
            )
            high = pc.add(high, 1000)  # Delta cuts times in statistics to milliseconds
        span = pc.min_max(mine)
        apart = pc.or_(pc.less(high, span["min"]), pc.greater(low, span["max"]))
        may &= ~pc.fill_null(apart, False).to_numpy()  # a file that states nothing may hold anything
    return bool(may.any())


def files_within(delta: DeltaTable, between: Span) -> list[str]:
    """Names of the files that may hold a row whose `at` lies in start <= at < end; one that states no times may."""
    files = pa.table(delta.get_add_actions(flatten=True))
    may = np.ones(len(files), dtype=bool)
    if {"min.at", "max.at"} <= set(files.column_names):
        low, high = (pd.DatetimeIndex(files[end].to_pandas()) for end in ("min.at", "max.at"))
        # Delta cuts times in statistics to milliseconds
        outside = (low >= between[1]) | (high + pd.Timedelta(milliseconds=1) <= between[0])
        may = ~np.asarray(outside)
    return sorted(name for name, held in zip(files["path"].to_pylist(), may, strict=True) if held)


def merge(
    table: str,
    delta: DeltaTable,
    rows: pa.Table,
    stale: tuple[str, list[str]] | None,
    marks: Mapping[str, int],
) -> tuple[int, int, int]:
    """Commits `rows`, and `marks` with them: how many rows were inserted, updated and deleted; nothing where none was.

    Deleted are rows whose column `stale[0]` holds one of `stale[1]` and whose key is not in `rows`. Raises
    CommitFailedError where another writer came between.
    """
    known = {column.name for column in delta.schema().fields}
    if new := [column for column in Schema.from_arrow(rows.schema).fields if column.name not in known]:
        delta.alter.add_columns(new)  # a store of an earlier version of this software
    keys = schema.key(table)
    how = {"writer_properties": layout(table), "commit_properties": properties(delta, marks)}
    if not (stale and stale[1]) and not may_hold(
        delta, rows, keys
    ):  # nothing to compare with: no file is read
        write_deltalake(delta, rows, mode="append", schema_mode="merge", **how)
        return len(rows), 0, 0
    others = [column for column in rows.column_names if column not in keys]
    merger = delta.merge(
        rows, same_row(rows, keys), source_alias="s", target_alias="t", **how
    ).when_not_matched_insert_all()
    if others:  # null-safe: null = null is not a change
        merger = merger.when_matched_update_all(
            predicate=" OR ".join(f"(t.{column} IS DISTINCT FROM s.{column})" for column in others)
        )
    if stale is not None and stale[1]:
        merger = merger.when_not_matched_by_source_delete(predicate=f"t.{stale[0]} IN ({literals(stale[1])})")
    done = merger.execute()
    inserted, updated, deleted = (
        int(done[f"num_target_rows_{what}"]) for what in ("inserted", "updated", "deleted")
    )
    return inserted, updated, deleted


def remove(delta: DeltaTable, rows: pa.Table, keys: Sequence[str]) -> int:
    """Deletes the rows whose `keys` are in `rows`: how many; commits nothing where none is."""
    merger = delta.merge(
        rows,
        same_row(rows, keys),
        source_alias="s",
        target_alias="t",
        commit_properties=properties(delta, {}),
    )
    return int(merger.when_matched_delete().execute()["num_target_rows_deleted"])


def write_ordered(table: str, delta: DeltaTable, ordered: Iterable[pa.RecordBatch]) -> None:
    """Commits new files that hold the rows of `delta` in the order given. Raises LostError where rows are lost or made."""
    columns = pa.schema(delta.schema().to_arrow())
    held = int(pc.sum(pa.table(delta.get_add_actions(flatten=True))["num_records"]).as_py() or 0)
    count = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal count
        rows = iter(ordered)
        with ThreadPoolExecutor(1) as apart:  # the writer calls from where the library cannot read as well
            coming = apart.submit(next, rows, None)
            while (batch := coming.result()) is not None:
                coming = apart.submit(next, rows, None)
                count += len(batch)
                of_columns = pa.Table.from_batches([batch]).select(columns.names).cast(columns)
                yield from of_columns.to_batches()
        if count != held:
            raise LostError

    write_deltalake(
        delta,
        pa.RecordBatchReader.from_batches(columns, counted()),
        mode="overwrite",
        target_file_size=FILE_BYTES,
        writer_properties=layout(table),
        commit_properties=properties(delta, {}),
    )


class LostError(Exception):
    """Rows that were written are not those that the table has."""


def forward(delta: DeltaTable, marks: Mapping[str, int]) -> dict[str, int]:
    """Those of `marks` that lie beyond what `delta` carries already."""
    return {name: at for name, at in marks.items() if at > (delta.transaction_version(name) or 0)}


def properties(delta: DeltaTable, marks: Mapping[str, int]) -> CommitProperties:
    moved = [Transaction(name, at) for name, at in sorted(forward(delta, marks).items())]
    return CommitProperties(max_commit_retries=0, app_transactions=moved or None)


def layout(table: str) -> WriterProperties:
    """How files of `table` are written: measured in docs/decisions/0007-layout-of-series.md."""
    columns = None
    if "at" in schema.key(table):  # times that follow one another are kept as their differences
        columns = {"at": ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")}
    return WriterProperties(compression="ZSTD", max_row_group_size=GROUP_ROWS, column_properties=columns)


def ends(times: pa.ChunkedArray) -> tuple[int, int]:
    """First and last of `times` in microseconds."""
    found = pc.min_max(times.cast(pa.int64()))
    return found["min"].as_py(), found["max"].as_py()


def micros(at: int) -> str:
    return f"to_timestamp_micros({at})"


def literals(values: Iterable[str]) -> str:
    """SQL string literals; the values are untrusted, and a doubled quote is the only escape in DataFusion."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(set(values))) or "NULL"
