"""The only reader and writer of the store: Delta tables, versions, content hashes.

One folder per table under a root that may be a local path or an object-store URL. There is no commit across
tables: whoever needs one view of many pins their versions first (`Store.pinned`).
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs as fs
from deltalake import (
    DeltaTable,
    QueryBuilder,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from . import schema
from .delta import (
    LostError,
    Span,
    bytes_of,
    chosen,
    files_within,
    forward,
    literals,
    merge,
    micros,
    properties,
    remove,
    rows_of,
    write_ordered,
)
from .errors import InputError

# Reports name the versions they were made from, so files of old versions stay until `store clean` says otherwise.
_RETENTION = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
T = TypeVar("T")
_ATTEMPTS = 30
_KEPT_BYTES = 8_000_000  # on disk; a smaller table, at a version that cannot change, is read once


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

    def __init__(
        self,
        root: str | Path,
        versions: Mapping[str, int] | None = None,
        *,
        absent: Iterable[str] = (),
    ) -> None:
        self.root = str(root)
        self._pinned = dict(versions or {})
        self._absent = frozenset(absent)  # read as empty, whatever was written since
        self._at: dict[str, DeltaTable] = {}  # of pinned tables, which do not change
        self._kept: dict[str, pd.DataFrame] = {}
        self._once: dict[str, Any] = {}
        self._filling = threading.RLock()  # of both: two reports at once read a table once

    @property
    def address(self) -> str:
        """`root` as another process is told it."""
        return self.root if "://" in self.root else str(Path(self.root).absolute())

    def load(
        self,
        table: str,
        *,
        where: Mapping[str, Iterable[str]] | None = None,
        between: Span | Sequence[Span] | None = None,
    ) -> pd.DataFrame:
        """All rows of `table`, sorted by key and checked; an absent table is empty.

        `where` keeps rows whose column holds one of the given values; `between` keeps start <= at < end, of one
        span (a tuple) or of any of several. Both are pushed down to the files, unless the table is pinned and small:
        then it is read once and kept.
        """
        delta = self._reading(table)
        if delta is None:
            return schema.frame(table)
        wanted = {column: sorted(set(values)) for column, values in (where or {}).items()}
        spans = [between] if isinstance(between, tuple) else between
        if table in self._pinned and (table in self._kept or bytes_of(delta) <= _KEPT_BYTES):
            with self._filling:
                if table not in self._kept:
                    self._kept[table] = rows_of(table, delta, "")
            return chosen(self._kept[table], wanted, spans)
        conditions = [f"{column} IN ({literals(values)})" for column, values in wanted.items()]
        if spans is not None:
            ends = [[micros(pd.Timestamp(t).value // 1000) for t in span] for span in spans]
            within = " OR ".join(f"(at >= {first} AND at < {last})" for first, last in ends)
            conditions.append(f"({within or 'FALSE'})")
        return rows_of(table, delta, f" WHERE {' AND '.join(conditions)}" if conditions else "")

    def files(self, table: str) -> tuple[fs.FileSystem, list[str]]:
        """Where the Parquet files of `table` are, and their names there, for reading row groups of them.

        Raises InputError where the table does not exist.
        """
        delta = self._reading(table)
        if delta is None:
            raise InputError(f"The store has no {table}.", where=self.root, remedy="Ingest or sync first.")
        names = sorted(pa.table(delta.get_add_actions(flatten=True))["path"].to_pylist())
        if "://" not in self.root:
            return fs.LocalFileSystem(), [f"{self.root}/{table}/{unquote(name)}" for name in names]
        return fs.PyFileSystem(DeltaStorageHandler.from_table(delta)), names

    def holding(self, table: str, between: Span) -> list[str]:
        """Names of the files that may hold rows of `table` with start <= at < end, by what they state of their times.

        A file never changes once it is written: the same names, the same rows. What is added later has a name of its own.
        """
        delta = self._reading(table)
        return [] if delta is None else files_within(delta, between)

    def count(self, table: str, by: Sequence[str]) -> pd.DataFrame:
        """Rows per combination of the columns `by`, as column `rows`, without loading them; largest first."""
        found = self.once(f"count {table} {' '.join(by)}", lambda: self._count(table, by))
        return found.copy(deep=False)

    def _count(self, table: str, by: Sequence[str]) -> pd.DataFrame:
        delta = self._reading(table)
        if delta is None:
            return schema.frame(table)[list(by)].assign(rows=0)
        columns = ", ".join(by)
        query = f"SELECT {columns}, COUNT(*) AS rows FROM t GROUP BY {columns} ORDER BY rows DESC, {columns}"  # noqa: S608
        return pa.table(QueryBuilder().register("t", delta).execute(query)).to_pandas()

    def extent(self, table: str, column: str | None) -> tuple[int, Any, Any]:
        """Rows of `table`, and least and largest value of `column` (null where no row has one), without loading them."""
        if (delta := self._reading(table)) is None:
            return 0, None, None
        ends = f"MIN({column}), MAX({column})" if column else "NULL AS a, NULL AS b"
        found = pa.table(QueryBuilder().register("t", delta).execute(f"SELECT COUNT(*), {ends} FROM t"))  # noqa: S608
        rows, first, last = (values[0].as_py() for values in found.columns)
        return rows, first, last

    def upsert(
        self,
        table: str,
        rows: pd.DataFrame,
        *,
        replacing: tuple[str, Iterable[str]] | None = None,
        marks: Mapping[str, int] | None = None,
    ) -> Commit:
        """Insert new rows and update changed ones by key; commits nothing where nothing changed.

        `replacing=(column, values)` also deletes stored rows whose column holds one of the values and whose key
        is not in `rows`: what a re-read file no longer says. Another writer's commit in between is not an error:
        the merge is redone on the new version. Raises InputError, naming the batch, if that never succeeds.

        `marks` are watermarks that travel in the same commit as the rows, each only forward (`Store.mark` reads one
        back). Where no row changed, nothing is committed and the marks stay: see `Store.advance`.
        """
        schema.check(table, rows)
        stale = None if replacing is None else (replacing[0], sorted(set(replacing[1])))
        if rows.empty and (stale is None or not stale[1]):
            return Commit(table, 0, 0, 0, None)
        arrow = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)

        def merged() -> Commit:
            delta = self._open_or_create(table, arrow.schema)
            inserted, updated, deleted = merge(table, delta, arrow, stale, marks or {})
            changed = inserted + updated + deleted > 0
            return Commit(table, inserted, updated, deleted, delta.version() if changed else None)

        return self._committed(
            merged,
            f"{len(rows)} row(s) of {table} could not be committed",
            "Nothing of this batch was written; run the command again.",
        )

    def remove(self, table: str, rows: pd.DataFrame) -> Commit:
        """Deletes the stored rows that have the keys of `rows`; commits nothing where there is none."""
        if rows.empty:
            return Commit(table, 0, 0, 0, None)
        keys = list(schema.key(table))
        arrow = pa.Table.from_pandas(rows[keys], preserve_index=False).replace_schema_metadata(None)

        def removed() -> Commit:
            if (delta := self._open(table)) is None:
                return Commit(table, 0, 0, 0, None)
            deleted = remove(delta, arrow, keys)
            return Commit(table, 0, 0, deleted, delta.version() if deleted else None)

        return self._committed(removed, f"{len(rows)} row(s) of {table} could not be removed")

    def mark(self, table: str, name: str) -> int | None:
        """The watermark `name` that the commits of `table` carry, or None."""
        delta = self._open(table)
        return None if delta is None else delta.transaction_version(name)

    def advance(self, table: str, marks: Mapping[str, int]) -> Commit:
        """Moves watermarks forward where there is no row to go with them: a commit of `table` without data."""
        empty = pa.Table.from_pandas(schema.frame(table), preserve_index=False)

        def advanced() -> Commit:
            delta = self._open_or_create(table, empty.schema.remove_metadata())
            if not forward(delta, marks):
                return Commit(table, 0, 0, 0, None)
            delta.create_write_transaction(
                [], "append", delta.schema(), commit_properties=properties(delta, marks)
            )
            return Commit(table, 0, 0, 0, self.version(table))

        return self._committed(advanced, f"The progress on {table} could not be recorded")

    def _committed(
        self,
        commit: Callable[[], Commit],
        failed: str,
        remedy: str = "Nothing is lost; run the command again.",
    ) -> Commit:
        """What `commit` returns once no other writer comes between. Raises InputError, which begins with `failed`."""
        for attempt in range(_ATTEMPTS):
            try:
                return commit()
            except CommitFailedError:
                time.sleep(random.uniform(0.01, 0.05) * min(attempt + 1, 20))  # noqa: S311 (jitter, not secrecy)
        raise InputError(f"{failed}: other writers kept changing the table.", where=self.root, remedy=remedy)

    def clean(self, table: str, keep: Iterable[int] | None, *, hours: int, dry_run: bool) -> list[str]:
        """Removes files older than `hours` that belong to no version, or, with `keep`, to no version worth keeping.

        `keep` None keeps every version; else the present one and those named. Returns the files, relative to the
        table; where there is none, nothing is committed. `dry_run` only lists them.
        """
        delta = self._open(table)
        if delta is None:
            return []
        present = delta.version()
        wanted = range(present + 1) if keep is None else {*keep, present}
        options = {
            "retention_hours": hours,
            "enforce_retention_duration": False,
            "full": True,
            "keep_versions": sorted(version for version in wanted if 0 <= version <= present),
        }
        found: list[str] = delta.vacuum(dry_run=True, **options)
        if found and not dry_run:
            delta.vacuum(dry_run=False, **options)
        return found

    def version(self, table: str) -> int | None:
        """Version of `table` that `load` reads, or None where the table does not exist yet."""
        delta = self._reading(table)
        return None if delta is None else delta.version()

    def rewrite(self, table: str, ordered: Iterable[pa.RecordBatch]) -> Commit:
        """Puts the rows of `table` into new files in the order given, all or nothing; none may be missing.

        What they say is unchanged, and old versions stay readable. Raises InputError where the table changed meanwhile or
        rows would be lost or made; nothing is committed then.
        """
        delta = self._open(table)
        if delta is None:
            return Commit(table, 0, 0, 0, None)
        try:
            write_ordered(table, delta, ordered)
        except (CommitFailedError, DeltaError, LostError, pa.ArrowInvalid) as error:
            remedy = "Nothing was changed; run the command again while nobody else writes."
            raise InputError(
                f"The files of {table} could not be put in order: {str(error)[:200] or 'rows differ'}",
                where=self.root,
                remedy=remedy,
            ) from error
        return Commit(table, 0, 0, 0, delta.version())

    def identity(self, table: str) -> str | None:
        """The id that `table` was given when it was made, whoever reads it; None where it does not exist."""
        delta = self._open(table)
        return None if delta is None else str(delta.metadata().id)

    def versions(self) -> dict[str, int]:
        """Versions of all tables that exist, by name."""
        found = {table: self.version(table) for table in schema.TABLES}
        return {table: version for table, version in found.items() if version is not None}

    def pinned(self) -> Store:
        """The same store, every existing table pinned to its present version; one that is made later stays absent."""
        found = {table: delta for table in schema.TABLES if (delta := self._reading(table)) is not None}
        versions = {table: delta.version() for table, delta in found.items()}
        same = Store(self.root, versions, absent=schema.TABLES.keys() - found.keys())
        same._at = found
        if same._pinned == self._pinned:  # what was read then still stands
            same._kept, same._once, same._filling = self._kept, self._once, self._filling
        return same

    def once(self, name: str, made: Callable[[], T]) -> T:
        """What `made` returns, under `name`; made once where every table is pinned, since then it stays so.

        Many ask for it, so none may change it in place: of a table, hand out a shallow copy.
        """
        if not schema.TABLES.keys() <= self._pinned.keys() | self._absent:
            return made()
        with self._filling:
            if name not in self._once:
                self._once[name] = made()
            found: T = self._once[name]
        return found

    def as_of(self, moment: datetime, table: str | None = None, version: int | None = None) -> Store:
        """The same store as it was at `moment`, or when `version` of `table` was committed; tables made later are empty.

        Raises InputError where there is no such version, or where the store holds nothing as old.
        """
        histories = {
            name: {int(c["version"]): int(c["timestamp"]) for c in delta.history()}
            for name in schema.TABLES
            if (delta := self._open(name)) is not None
        }
        until = moment.timestamp() * 1000
        if table is not None and version is not None:
            if version not in histories.get(table, {}):
                known = ", ".join(str(v) for v in sorted(histories.get(table, {}))[-20:]) or "none"
                raise InputError(f"There is no version {version} of {table}.", remedy=f"Versions: {known}.")
            until = histories[table][version]
        pins = {
            name: max((v for v, at in commits.items() if at <= until), default=0)
            for name, commits in histories.items()
        }
        if not any(at <= until for commits in histories.values() for at in commits.values()):
            raise InputError("The store holds nothing as old as that.", remedy="Choose a later date.")
        return Store(self.root, pins)

    def _reading(self, table: str) -> DeltaTable | None:
        """`table` to read from: opened once where it is pinned. Whoever writes opens it anew."""
        if table in self._absent:
            return None
        if table not in self._pinned:
            return self._open(table)
        if table not in self._at and (delta := self._open(table)) is not None:
            self._at[table] = delta
        return self._at.get(table)

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

    def _open_or_create(self, table: str, columns: pa.Schema) -> DeltaTable:
        try:
            return self._open(table) or DeltaTable.create(
                f"{self.root}/{table}", schema=columns, mode="ignore", configuration=_RETENTION, name=table
            )
        except DeltaError as error:  # two first writers met: the other one's table is there now
            raise CommitFailedError(str(error)) from error


def row_hashes(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """A number per row, by the values in it."""
    return pd.util.hash_pandas_object(rows, index=False).to_numpy()


def content_hash(rows: pd.DataFrame, hashes: np.ndarray[Any, Any] | None = None) -> str:
    """Hash of `rows` by column and value, whatever their order and the files they were kept in.

    `hashes` are their `row_hashes` where these are known.
    """
    hashes = np.sort(row_hashes(rows) if hashes is None else hashes)
    return hashlib.sha256(f"{list(rows.columns)}".encode() + hashes.tobytes()).hexdigest()[:32]
