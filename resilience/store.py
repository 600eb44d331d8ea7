"""The only reader and writer of the store: Delta tables, versions, content hashes.

One folder per table under a root that may be a local path or an object-store URL. There is no commit across
tables: whoever needs one view of many pins their versions first (`Store.pinned`).
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from . import schema
from .errors import InputError

# Reports name the versions they were made from, so files of old versions stay until `store clean` says otherwise.
_RETENTION = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
_ATTEMPTS = 30


@dataclass(frozen=True)
class Commit:
    """What an upsert did to a table. `version` is None where nothing changed."""

    table: str
    inserted: int
    updated: int
    deleted: int
    version: int | None


class Store:
    """Tables of `schema.TABLES` under `root`; `versions` pins the tables it names to one version each."""

    def __init__(self, root: str | Path, versions: Mapping[str, int] | None = None) -> None:
        self.root = str(root)
        self._pinned = dict(versions or {})

    def load(
        self,
        table: str,
        *,
        where: Mapping[str, Iterable[str]] | None = None,
        between: tuple[datetime | pd.Timestamp, datetime | pd.Timestamp] | None = None,
    ) -> pd.DataFrame:
        """All rows of `table`, sorted by key and checked; an absent table is empty.

        `where` keeps rows whose column holds one of the given values; `between` keeps start <= at < end. Both
        are pushed down to the files.
        """
        delta = self._open(table)
        if delta is None:
            return schema.frame(table)
        conditions = [f"{column} IN ({_literals(values)})" for column, values in (where or {}).items()]
        if between is not None:
            first, last = (f"to_timestamp_micros({pd.Timestamp(t).value // 1000})" for t in between)
            conditions.append(f"at >= {first} AND at < {last}")
        wanted = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        query = "SELECT * FROM t" + wanted  # noqa: S608 (values are escaped by _literals)
        result = pa.table(QueryBuilder().register("t", delta).execute(query))
        rows = result.to_pandas()
        rows = rows.astype(schema.dtypes(table))[list(schema.dtypes(table))]
        return schema.check(table, rows.sort_values(list(schema.key(table)), ignore_index=True))

    def count(self, table: str, by: Sequence[str]) -> pd.DataFrame:
        """Rows per combination of the columns `by`, as column `rows`, without loading them; largest first."""
        delta = self._open(table)
        if delta is None:
            return schema.frame(table)[list(by)].assign(rows=0)
        columns = ", ".join(by)
        query = f"SELECT {columns}, COUNT(*) AS rows FROM t GROUP BY {columns} ORDER BY rows DESC, {columns}"  # noqa: S608
        return pa.table(QueryBuilder().register("t", delta).execute(query)).to_pandas()

    def upsert(
        self, table: str, rows: pd.DataFrame, *, replacing: tuple[str, Iterable[str]] | None = None
    ) -> Commit:
        """Insert new rows and update changed ones by key; commits nothing where nothing changed.

        `replacing=(column, values)` also deletes stored rows whose column holds one of the values and whose key
        is not in `rows`: what a re-read file no longer says. Another writer's commit in between is not an error:
        the merge is redone on the new version. Raises InputError, naming the batch, if that never succeeds.
        """
        schema.check(table, rows)
        stale = None if replacing is None else (replacing[0], sorted(set(replacing[1])))
        if rows.empty and (stale is None or not stale[1]):
            return Commit(table, 0, 0, 0, None)
        arrow = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
        for attempt in range(_ATTEMPTS):
            try:
                return self._merge(table, arrow, stale)
            except CommitFailedError:
                time.sleep(random.uniform(0.01, 0.05) * min(attempt + 1, 20))  # noqa: S311 (jitter, not secrecy)
        raise InputError(
            f"{len(rows)} row(s) of {table} could not be committed: other writers kept changing the table.",
            where=self.root,
            remedy="Nothing of this batch was written; run the command again.",
        )

    def version(self, table: str) -> int | None:
        """Version of `table` that `load` reads, or None where the table does not exist yet."""
        delta = self._open(table)
        return None if delta is None else delta.version()

    def versions(self) -> dict[str, int]:
        """Versions of all tables that exist, by name."""
        found = {table: self.version(table) for table in schema.TABLES}
        return {table: version for table, version in found.items() if version is not None}

    def pinned(self) -> Store:
        """The same store, every existing table pinned to its present version."""
        return Store(self.root, self.versions())

    def _open(self, table: str) -> DeltaTable | None:
        if table not in schema.TABLES:
            raise InputError(f"There is no table {table!r}.", remedy=f"Tables: {', '.join(schema.TABLES)}.")
        try:
            return DeltaTable(f"{self.root}/{table}", version=self._pinned.get(table))
        except TableNotFoundError:
            return None
        except DeltaError as error:
            wanted = self._pinned.get(table)
            at = "" if wanted is None else f" at version {wanted}"
            raise InputError(
                f"Table {table} cannot be read{at}: {str(error)[:200]}",
                where=self.root,
                remedy="Check that the store is whole, or build it again with `resilience ingest`.",
            ) from error

    def _create(self, table: str, columns: pa.Schema) -> DeltaTable:
        return DeltaTable.create(
            f"{self.root}/{table}", schema=columns, mode="ignore", configuration=_RETENTION, name=table
        )

    def _merge(self, table: str, rows: pa.Table, stale: tuple[str, list[str]] | None) -> Commit:
        try:
            delta = self._open(table) or self._create(table, rows.schema)
        except DeltaError as error:  # two first writers met: the other one's table is there now
            raise CommitFailedError(str(error)) from error
        keys = schema.key(table)
        others = [column for column in rows.column_names if column not in keys]
        merge = delta.merge(
            rows,
            " AND ".join(f"t.{column} = s.{column}" for column in keys),
            source_alias="s",
            target_alias="t",
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=CommitProperties(max_commit_retries=0),
        ).when_not_matched_insert_all()
        if others:  # null-safe: null = null is not a change
            merge = merge.when_matched_update_all(
                predicate=" OR ".join(f"(t.{column} IS DISTINCT FROM s.{column})" for column in others)
            )
        if stale is not None and stale[1]:
            merge = merge.when_not_matched_by_source_delete(
                predicate=f"t.{stale[0]} IN ({_literals(stale[1])})"
            )
        done = merge.execute()
        inserted, updated, deleted = (
            int(done[f"num_target_rows_{what}"]) for what in ("inserted", "updated", "deleted")
        )
        changed = inserted + updated + deleted > 0
        return Commit(table, inserted, updated, deleted, delta.version() if changed else None)


def _literals(values: Iterable[str]) -> str:
    """SQL string literals; the values are untrusted, and a doubled quote is the only escape in DataFusion."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(set(values))) or "NULL"


def content_hash(rows: pd.DataFrame) -> str:
    """Hash of `rows` by column and value, whatever their order and the files they were kept in."""
    hashes = pd.util.hash_pandas_object(rows, index=False).sort_values().to_numpy()
    return hashlib.sha256(f"{list(rows.columns)}".encode() + hashes.tobytes()).hexdigest()[:32]
