"""Points of series straight from the files of the store, some series at a time: a table of everything is never made.

Files state the smallest and largest value of each column per row group. Where a group holds one series only, as after
`resilience store compact`, its name columns are not read at all; elsewhere they are, and rows of others are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq

from . import schema
from .store import Store

NAMES = ("metric", "scope", "interval_s", "rollup", "unit")
_AT = pa.timestamp("us", "UTC")
_TEXTS = {name for name, dtype in schema.dtypes("series").items() if str(dtype) == "str"}
_BATCH_ROWS = 1 << 16
PART_ROWS = 1 << 21  # points that are worked on at once: some 100 MB with what is made of them


@dataclass(frozen=True)
class Part:
    """Some series of one metric, interval and rollup in the series table of the store at `root`, as of `version`.

    Small and picklable: it is what is sent to a worker, which reads the points itself.
    """

    root: str
    version: int
    metric: str
    interval_s: float
    rollup: str
    scopes: tuple[str, ...]

    @property
    def ends(self) -> dict[str, tuple[Any, Any]]:
        """Between which names its series lie."""
        same = {"metric": self.metric, "interval_s": self.interval_s, "rollup": self.rollup}
        return {name: (value, value) for name, value in same.items()} | {
            "scope": (self.scopes[0], self.scopes[-1])
        }


@dataclass(frozen=True, eq=False)
class _File:
    """A file of the table; its footer is read once."""

    where: fs.FileSystem
    name: str
    footer: pq.FileMetaData

    def read(self, groups: list[int], columns: list[str]) -> pa.Table:
        """Columns of row groups, in this order; a column that an older file does not have is null."""
        there = set(self.footer.schema.names)
        texts = [name for name in columns if name in _TEXTS]
        with self.where.open_input_file(self.name) as opened:
            file = pq.ParquetFile(opened, metadata=self.footer, read_dictionary=texts, pre_buffer=False)
            wanted = [name for name in columns if name in there]
            rows = file.read_row_groups(groups, columns=wanted, use_threads=False)
        for name in columns:
            if name not in there:
                empty = pa.nulls(len(rows), pa.string()).dictionary_encode()
                rows = rows.append_column(name, empty)
        return rows.select(columns)


@dataclass(frozen=True)
class _Group:
    """A row group of a file, and between which ends the file states its NAMES to lie (absent: unknown)."""

    file: _File
    number: int
    rows: int
    ends: dict[str, tuple[Any, Any]]

    @property
    def names(self) -> dict[str, Any]:
        """Those of NAMES that all rows share. A text cut short has a maximum of its own: equal ends are whole."""
        return {name: low for name, (low, high) in self.ends.items() if low == high}

    def may_hold(self, wanted: Mapping[str, tuple[Any, Any]]) -> bool:
        """Whether a row may lie between the ends of `wanted`."""
        return all(
            name not in self.ends or (self.ends[name][0] <= high and low <= self.ends[name][1])
            for name, (low, high) in wanted.items()
        )


def inventory(store: Store, metric: str | None = None, interval_s: float | None = None) -> pd.DataFrame:
    """What series there are: one row per metric, scope, interval_s, rollup and unit, and how many `points` each has.

    In order of these columns; unit is null where none is stated. Mostly read from what the files state of themselves.
    """
    version = store.version("series")
    asked = {
        name: value for name, value in (("metric", metric), ("interval_s", interval_s)) if value is not None
    }
    counts: Counter[tuple[Any, ...]] = Counter()
    for group in () if version is None else _index(store.address, version):
        if not group.may_hold({name: (value, value) for name, value in asked.items()}):
            continue
        shared = group.names
        if mixed := [name for name in NAMES if name not in shared]:
            rows = _read([group], mixed).group_by(mixed).aggregate([([], "count_all")]).to_pydict()
            for *own, n in zip(*(rows[name] for name in mixed), rows["count_all"], strict=True):
                names = shared | dict(zip(mixed, own, strict=True))
                counts[tuple(names[name] for name in NAMES)] += n
        else:
            counts[tuple(shared[name] for name in NAMES)] += group.rows
    found = pd.DataFrame([(*names, n) for names, n in counts.items()], columns=[*NAMES, "points"])
    found = found.astype(dict.fromkeys(NAMES, "str") | {"interval_s": float, "points": "int64"})
    for name, value in asked.items():
        found = found[found[name] == value]
    return found.sort_values(list(NAMES), ignore_index=True)


def parts(store: Store, known: pd.DataFrame) -> list[Part]:
    """The series of `known`, rows of `inventory`, in parts of about PART_ROWS points, in its order but for units."""
    version = store.version("series") or 0
    found = []
    for (metric, interval_s, rollup), series in known.groupby(["metric", "interval_s", "rollup"]):
        sizes = series.groupby("scope")["points"].sum()
        of = (np.cumsum(sizes.to_numpy()) - 1) // PART_ROWS
        for number in np.unique(of):
            scopes = tuple(map(str, sizes.index[of == number]))
            found.append(Part(store.address, version, str(metric), float(interval_s), str(rollup), scopes))
    return found


def read(part: Part) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Scope, times (UTC microseconds, ascending) and values (NaN where null) of each series of `part`, by scope."""
    wanted = part.ends
    pieces: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {scope: [] for scope in part.scopes}
    for groups in _runs(g for g in _index(part.root, part.version) if g.may_hold(wanted)):
        names = groups[0].names
        if names.get("scope", part.scopes[0]) not in pieces:
            continue
        mixed = [name for name in wanted if name not in names]
        rows = _read(groups, [*mixed, "at", "value"])
        if not mixed:
            pieces[names["scope"]].append(_arrays(rows))
            continue
        for scope, at, value in _split(rows, part, names.get("scope")):
            if scope in pieces:
                pieces[scope].append((at, value))
    for scope in sorted(pieces):
        if pieces[scope]:
            yield scope, *_joined(pieces.pop(scope))


def _joined(pieces: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """One series in order of time from what each file has of it."""
    pieces.sort(key=lambda piece: int(piece[0][0]))
    at, value = pieces[0] if len(pieces) == 1 else map(np.concatenate, zip(*pieces, strict=True))
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        at, value = at[order], value[order]
    return at, value


def compact(store: Store) -> int:
    """Writes the files of the series table anew, series by series in order of time; how many points there are.

    Nothing that they say changes. It takes memory for a part of the series, not for all. Raises InputError as
    `Store.rewrite` does.
    """
    known = inventory(store)
    if known.empty:
        return 0
    store.rewrite("series", _in_order(store, known))
    return int(known["points"].sum())


def _in_order(store: Store, known: pd.DataFrame) -> Iterator[pa.RecordBatch]:
    version = store.version("series") or 0
    plain = pa.schema(
        [
            (name, pa.string() if name in _TEXTS else _AT if name == "at" else pa.float64())
            for name in schema.dtypes("series")
        ]
    )
    for part in parts(store, known):
        groups = [g for g in _index(store.address, version) if g.may_hold(part.ends)]
        rows = pa.concat_tables([_of(part, _read([group], plain.names)) for group in groups])
        scopes, scope = _codes(rows["scope"])
        rank = np.argsort(np.argsort(np.array(scopes, dtype=object)))
        order = np.lexsort((rows["at"].cast(_AT).cast(pa.int64()).to_numpy(), rank[scope]))
        rows = rows.unify_dictionaries()
        for first in range(0, len(order), _BATCH_ROWS):
            batch = rows.take(order[first : first + _BATCH_ROWS]).cast(plain)
            yield from batch.combine_chunks().to_batches()


def _of(part: Part, rows: pa.Table) -> pa.Table:
    """Those of `rows` that belong to `part`."""
    scopes, scope = _codes(rows["scope"])
    kept = _alike(part, rows) & np.isin(scopes, part.scopes)[scope]
    return rows if kept.all() else rows.filter(pa.array(kept))


def _alike(part: Part, rows: pa.Table) -> np.ndarray:
    """Which of `rows` have the metric, interval and rollup of `part`, of those that are columns of it."""
    kept = np.ones(len(rows), dtype=bool)
    for name, (value, _) in part.ends.items():
        if name == "interval_s" and name in rows.column_names:
            kept &= rows[name].to_numpy() == value
        elif name != "scope" and name in rows.column_names:
            names, code = _codes(rows[name])
            kept &= code == (names.index(value) if value in names else -1)
    return kept


@lru_cache(maxsize=2)
def _index(root: str, version: int) -> list[_Group]:
    """Every row group of the table, file by file."""
    where, names = Store(root, {"series": version}).files("series")
    found = []
    for path in names:
        with where.open_input_file(path) as opened:
            about = pq.ParquetFile(opened).metadata
        file = _File(where, path, about)
        place = {name: i for i, name in enumerate(about.schema.names)}
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            ends = {}
            for name in NAMES:
                stated = group.column(place[name]).statistics if name in place else None
                if stated is None or not stated.has_null_count:
                    continue
                if stated.null_count == group.num_rows:
                    ends[name] = (None, None)
                elif stated.null_count == 0 and stated.has_min_max:
                    ends[name] = (stated.min, stated.max)
            found.append(_Group(file, number, group.num_rows, ends))
    return found


def _runs(groups: Iterable[_Group]) -> Iterator[list[_Group]]:
    """Neighbours in a file of which each holds the same single series, to be read at once; others one by one."""
    run: list[_Group] = []
    for group in groups:
        if run and not (
            group.file is run[-1].file
            and group.number == run[-1].number + 1
            and group.names == run[-1].names
            and len(group.names) == len(NAMES)
        ):
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _read(groups: list[_Group], columns: list[str]) -> pa.Table:
    return groups[0].file.read([group.number for group in groups], columns)


def _arrays(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    return rows["at"].cast(_AT).cast(pa.int64()).to_numpy(), rows["value"].to_numpy()


def _codes(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """Names, and which of them each row has."""
    whole = column.unify_dictionaries().combine_chunks()
    return whole.dictionary.to_pylist(), whole.indices.to_numpy()


def _split(rows: pa.Table, part: Part, scope: str | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Rows of the metric and interval of `part` by scope, each in the order that they have.

    Everything is read and sorted out here: a filter costs several times as much as the reading.
    """
    at, value = _arrays(rows)
    names, code = ([scope], np.zeros(len(at), dtype=np.int32)) if scope is not None else _codes(rows["scope"])
    kept = _alike(part, rows)
    if len(names) > len(part.scopes):
        kept &= np.isin(names, part.scopes)[code]
    if not kept.all():
        code, at, value = code[kept], at[kept], value[kept]
    if not len(code):
        return
    edges = np.flatnonzero(np.diff(code)) + 1
    if len(edges) >= len(names):  # not in runs
        order = np.argsort(code, kind="stable")
        code, at, value = code[order], at[order], value[order]
        edges = np.flatnonzero(np.diff(code)) + 1
    for first, last in zip(np.r_[0, edges], np.r_[edges, len(code)], strict=True):
        yield str(names[code[first]]), at[first:last], value[first:last]
