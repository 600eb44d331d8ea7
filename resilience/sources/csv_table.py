"""A CSV as text columns, with the line of every row and a clear error for whatever is not a CSV."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ..errors import InputError

MAX_BYTES = 2_000_000_000


class CsvTable:
    """One CSV file. `headers` are its column names; `skipped` the lines left out by `read`, with too many or few cells.

    Raises InputError where it has no header line in UTF-8, or is larger than 2 GB.
    """

    def __init__(self, path: Path, name: str, *, separator: str, skip_lines: int) -> None:
        self.path, self.name, self.skip_lines = path, name, skip_lines
        self.skipped: list[int] = []
        if path.stat().st_size > MAX_BYTES:
            raise self.error(f"The file is larger than {MAX_BYTES // 10**9} GB.", "Split it by month.")
        # One thread: only then does a bad row know its line. Blank lines are kept for the same reason.
        self._reading = csv.ReadOptions(use_threads=False, skip_rows=skip_lines)
        # A bad row that is not UTF-8 never reaches the handler and would be lost: without one the file is refused.
        skip = self._skip if _is_utf8(path) else None
        self._parsing = csv.ParseOptions(
            delimiter=separator, ignore_empty_lines=False, invalid_row_handler=skip
        )
        try:
            self.headers: list[str] = csv.open_csv(path, self._reading, self._parsing).schema.names
        except (pa.ArrowInvalid, UnicodeDecodeError):
            raise self.error(
                "This is not a CSV with a header line.",
                "Export it again as UTF-8 CSV; check separator and skip_lines in the mapping file.",
            ) from None

    def read(self, wanted: list[str]) -> pa.Table:
        """Columns as trimmed text, each in one chunk. Raises InputError where one is missing, twice or not UTF-8."""
        self._require(wanted)
        columns = list(dict.fromkeys(wanted))
        text = csv.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=False,
        )
        self.skipped.clear()
        try:
            table = csv.read_csv(self.path, self._reading, self._parsing, text)
        except pa.ArrowInvalid:
            raise self.error(
                "The file is not UTF-8 text in columns.", "Export it again as UTF-8 CSV."
            ) from None
        return pa.table({c: pc.utf8_trim_whitespace(table.column(c).combine_chunks()) for c in columns})

    def line(self, row: int) -> int:
        """Line in the file of a row that was read, from 1; a quoted line break above it makes it too small."""
        line = self.skip_lines + 2 + row
        for bad in self.skipped:
            line += bad <= line
        return line

    def present(self) -> str:
        """The sentence that lists the columns."""
        return f"Its columns: {named(self.headers)}."

    def error(self, what: str, remedy: str, line: int | None = None) -> InputError:
        """An error about this file."""
        return InputError(what, where=self.name, line=line, remedy=remedy)

    def _skip(self, row: csv.InvalidRow) -> str:
        self.skipped.append(row.number)
        return "skip"

    def _require(self, wanted: list[str]) -> None:
        missing = [c for c in dict.fromkeys(wanted) if c not in self.headers]
        if missing:
            raise self.error(
                f"There is no column {named(missing)}. {self.present()}",
                "Correct the name in the mapping file, or export the column.",
            )
        twice = [c for c in dict.fromkeys(wanted) if self.headers.count(c) > 1]
        if twice:
            raise self.error(f"The column {named(twice)} stands twice.", "Rename or remove one of them.")


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def named(names: Iterable[str]) -> str:
    """Up to eight names in a sentence, each cut at 60 characters."""
    found = list(names)
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    return ", ".join(name[:60] for name in found[:8]) + more
