"""Metric series from CSV files, wide or long, by a small mapping file (docs/series-files.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .csv_table import CsvTable, named
from .csv_times import align, interval_of, read_times
from .points import FileRead, Points, SeriesRead, read_files, scope
from .problems import problem
from .series_mapping import Mapping, Metric, TagColumn, find, read_mapping

_LABEL = re.compile(r'([^=:,{}"]+)[=:](?:"((?:[^"\\]|\\.)*)"|([^,"{}]*))(?:,|\Z)')


def read(
    path: str | Path, mapping: str | Path | None = None, *, base: str | Path | None = None
) -> SeriesRead:
    """Series of one CSV, or of every CSV in a folder.

    `mapping` is a mapping file; without it, ``<stem>.mapping.yml`` or ``mapping.yml`` beside the CSV is used. `base`
    is the folder that file names in rows are relative to. A cell that is not a number is null, and counted in
    `problems`; a row whose time cannot be read is left out, with a problem.
    Raises InputError: no mapping, a wrong mapping, a column that is not there, times without a zone, an interval
    that does not fit. In a folder these become problems and the other files are read.
    """
    given, root = (None if p is None else Path(p) for p in (mapping, base))

    def read_one(file: Path, name: str) -> FileRead:
        found = find(file, given, name)
        return _File(file, name, read_mapping(found, file.name, found.name)).read()

    return read_files(Path(path), ".csv", root, read_one)


class _File:
    """One CSV while it is read; `problems` grows."""

    def __init__(self, path: Path, name: str, mapping: Mapping) -> None:
        self.name, self.mapping = name, mapping
        self.csv = CsvTable(path, name, separator=mapping.separator, skip_lines=mapping.skip_lines)
        self.problems: list[dict[str, Any]] = []
        self.tags = {
            tag: column if isinstance(column, TagColumn) else TagColumn(column=column, drop=0)
            for tag, column in mapping.scope.items()
        }

    def read(self) -> FileRead:
        mapping = self.mapping
        metrics = list(self._wide()) if mapping.layout == "wide" else []
        wanted = [mapping.time.column, *(tag.column for tag in self.tags.values())]
        wanted += [column for _, column, _ in metrics]
        wanted += [column for column in (mapping.metric_column, mapping.value_column) if column]
        table = self.csv.read(wanted)
        self._report_left_out(wanted)
        at, usable = self._times(table)
        table, rows = table.filter(pa.array(usable)), np.flatnonzero(usable)
        groups, points = self._groups(table), list[Points]()
        for metric, column, labels in metrics:
            value = self._numbers(table.column(column), rows, column) * metric.scale
            points += self._split(metric, labels, at, value, groups)
        if mapping.value_column is not None:
            value = self._numbers(table.column(mapping.value_column), rows, mapping.value_column)
            for metric, mask in self._long(table):
                inside = [(tags, chosen[mask[chosen]]) for tags, chosen in groups]
                kept = [(tags, chosen) for tags, chosen in inside if len(chosen)]
                points += self._split(metric, {}, at, value * metric.scale, kept)
        return FileRead("series", self.name, self._timed(points), self.problems)

    def _report_left_out(self, wanted: list[str]) -> None:
        if self.csv.skipped:
            self._problem(
                "unreadable",
                f"{len(self.csv.skipped)} line(s) have more or fewer cells than the header; left out.",
                "Correct them; a text that holds the separator stands in double quotes.",
                line=self.csv.skipped[0],
            )
        if self.mapping.layout == "wide":
            known = {*wanted, *self.mapping.ignore}
            self._unused([header for header in self.csv.headers if header not in known], "column")

    def _wide(self) -> Iterator[tuple[Metric, str, dict[str, str]]]:
        """Each metric of a wide file with its column and the labels in the header."""
        for metric in self.mapping.metrics:
            if metric.column is not None:
                yield metric, metric.column, {}
                continue
            prefix = f"{metric.labelled}{{"
            found = [h for h in self.csv.headers if h.startswith(prefix) and h.endswith("}")]
            if not found:
                raise self.csv.error(
                    f"No column is headed {prefix}...}}. {self.csv.present()}", "Correct labelled."
                )
            for header in found:
                yield metric, header, self._labels(header, header[len(prefix) : -1])

    def _labels(self, header: str, text: str) -> dict[str, str]:
        labels, position = {}, 0
        while position < len(text):
            part = _LABEL.match(text, position)
            if part is None:
                raise self.csv.error(
                    f"The labels of column {header[:60]!r} cannot be read.",
                    'Write {key="value",...} or {key:value,...}, or name the column by `column`.',
                )
            labels[part[1].strip()] = (
                part[3] if part[2] is None else re.sub(r"\\(.)", r"\1", part[2])
            ).strip()
            position = part.end()
        return {key: value for key, value in labels.items() if value}

    def _long(self, table: pa.Table) -> Iterator[tuple[Metric, np.ndarray]]:
        """Each metric of a long file with the mask of its rows."""
        column = self.mapping.metric_column
        if column is None:
            yield self.mapping.metrics[0], np.ones(len(table), bool)
            return
        names = table.column(column).combine_chunks().dictionary_encode()
        codes, found = names.indices.to_numpy(), names.dictionary.to_pylist()
        listed = {m.name: m for m in self.mapping.metrics} or {
            n: Metric.model_construct(name=n, metric=n) for n in found if n
        }
        missing = [str(name) for name in listed if name not in found]
        if missing:
            self._problem("missing", f"No row of metric {named(missing)}.", "Correct name, or remove it.")
        self._unused([n for n in found if n not in listed and n not in self.mapping.ignore], "metric")
        for code, name in enumerate(found):
            if name in listed:
                yield listed[name], codes == code

    def _groups(self, table: pa.Table) -> list[tuple[dict[str, str], np.ndarray]]:
        """Rows of each combination of tags."""
        code = np.zeros(len(table), np.int64)
        parts: dict[str, tuple[np.ndarray, list[str]]] = {}
        for tag, column in self.tags.items():
            cells = table.column(column.column).combine_chunks().dictionary_encode()
            texts = [
                "" if t in self.mapping.nulls else "-".join(t.split("-")[: -column.drop or None])
                for t in cells.dictionary.to_pylist()
            ]
            parts[tag] = cells.indices.to_numpy(), texts
            code = np.unique(code * max(len(texts), 1) + parts[tag][0], return_inverse=True)[1]
        order = np.argsort(code, kind="stable")
        rows = np.split(order, np.flatnonzero(np.diff(code[order])) + 1) if len(order) else []
        named = [({tag: texts[codes[r[0]]] for tag, (codes, texts) in parts.items()}, r) for r in rows]
        return [({tag: text for tag, text in found.items() if text}, r) for found, r in named]

    def _split(
        self,
        metric: Metric,
        labels: dict[str, str],
        at: np.ndarray,
        value: np.ndarray,
        groups: list[tuple[dict[str, str], np.ndarray]],
    ) -> list[Points]:
        rollup = metric.rollup or self.mapping.rollup
        constant = {**self.mapping.tags, **metric.tags, **labels}
        return [
            Points(
                metric.metric, scope({**constant, **tags}), 0.0, rollup, metric.unit, at[rows], value[rows]
            )
            for tags, rows in groups
        ]

    def _times(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Microseconds UTC of the usable rows, and the mask of these."""
        text = table.column(self.mapping.time.column).combine_chunks()
        times = read_times(text, self.mapping.time, self.name)
        empty = np.logical_and.reduce(
            [pc.equal(table.column(c).combine_chunks(), "").to_numpy(False) for c in table.column_names]
        )
        for mask, what, remedy in (
            (
                times.unreadable & ~empty,
                "a time that cannot be read",
                "Correct them, or time.format in the mapping file.",
            ),
            (times.twice, "a local time that the clock shows twice", "Export in UTC or with offsets."),
            (
                times.never,
                "a local time that the clock skips",
                "Export in UTC or with offsets; check time.zone.",
            ),
        ):
            if mask.any():
                first = int(np.flatnonzero(mask)[0])
                message = (
                    f"{int(mask.sum())} row(s) have {what}, first {text[first].as_py()[:60]!r}; left out."
                )
                self._problem("unreadable", message, remedy, line=self.csv.line(first), field="at")
        usable = ~(times.unreadable | times.twice | times.never)
        if not usable.any() and not empty.all():
            raise self.csv.error(
                f"No time in column {self.mapping.time.column!r} can be read as {self.mapping.time.format!r}, "
                f"first {text[0].as_py()[:60]!r}.",
                "Correct time.format in the mapping file.",
                self.csv.line(0),
            )
        return times.micros[usable], usable

    def _numbers(self, cells: pa.ChunkedArray, lines: np.ndarray, column: str) -> np.ndarray:
        missing = pc.is_in(cells, value_set=pa.array(self.mapping.nulls, pa.string()))
        text = pc.if_else(missing, pa.scalar(None, pa.string()), cells)
        if self.mapping.thousands:
            text = pc.replace_substring(text, self.mapping.thousands, "")
        if self.mapping.decimal != ".":
            text = pc.replace_substring(text, ".", "?")
            text = pc.replace_substring(text, self.mapping.decimal, ".")
        try:
            return np.array(pc.cast(text, pa.float64()).to_numpy(), dtype=np.float64)
        except pa.ArrowInvalid:
            value = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(
                dtype=np.float64, na_value=np.nan
            )
        bad = np.flatnonzero(np.isnan(value) & ~pc.is_null(text).to_numpy())
        if len(bad):
            shown = cells[int(bad[0])].as_py()[:60]
            message = f"Column {column[:60]!r}: {len(bad)} cell(s) are not a number, first {shown!r}; read as missing."
            remedy = "Correct them, or add the spelling to nulls, or set decimal and thousands, in the mapping file."
            self._problem(
                "unreadable", message, remedy, line=self.csv.line(int(lines[bad[0]])), field="value"
            )
        return value

    def _timed(self, points: list[Points]) -> list[Points]:
        """The same points with the interval of each series, and their left edges."""
        known = [
            interval_of(p.at, self.mapping.interval, f"{p.metric} of {p.scope}", self.name) for p in points
        ]
        shared = {interval for interval in known if interval is not None}
        if None in known and len(shared) != 1:
            raise self.csv.error(
                "interval: auto needs at least 3 points in each series, and here a series has fewer.",
                "State interval in seconds in the mapping file.",
            )
        timed = []
        for p, interval in zip(points, known, strict=True):
            seconds = interval if interval is not None else next(iter(shared))
            at = p.at - round(seconds * 1e6) if self.mapping.time.stamp == "end" else p.at
            at = align(at, seconds) if self.mapping.align else at
            timed.append(Points(p.metric, p.scope, seconds, p.rollup, p.unit, at, p.value))
        return timed

    def _unused(self, names: list[str], what: str) -> None:
        if names:
            message = f"{len(names)} {what}(s) of the file are not in the mapping: {named(names)}."
            self._problem("skipped", message, "Add them to metrics, or to ignore, in the mapping file.")

    def _problem(self, kind: str, message: str, remedy: str, **where: Any) -> None:
        self.problems.append(problem(self.name, kind, message, remedy, **where))
