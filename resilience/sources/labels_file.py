"""Adding answers to the files of data/labels, so that a crash at any moment loses none that was given before."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import schema
from ..errors import InputError

_MOST_HEADER = 65_536  # bytes in which the header line ends


def append(path: Path, answer: Mapping[str, str], columns: Sequence[str] | None = None) -> None:
    """Add one answer as the last line of `path`, which is made where it is not there.

    `columns`: those of the file; by default of the table `labels`. The line is written in one piece and is on the disk
    when this returns; another process that appends at the same time waits. Columns stand in the order of the file's own
    header. Raises InputError where the header lacks a column, the last line is broken off, or the disk refuses; the file is
    then as it was.
    """
    columns = list(columns or schema.dtypes("labels"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as file:
        size = os.fstat(file).st_size
        header = _header(file, path.name) if size else columns
        if missing := [name for name in columns if name not in header]:
            raise InputError(f"There is no column {', '.join(missing)}.", where=path.name, line=1,
                             remedy=f"Columns: {', '.join(columns)}.")  # fmt: skip
        line = _line([str(answer.get(name) or "") for name in header])
        text = _ending(file, size, len(header), path.name) + line if size else _line(columns) + line
        try:
            written = os.pwrite(file, text.encode("utf-8"), size)
            if written < len(text.encode("utf-8")):
                raise OSError("only part of the line could be written")
            os.fsync(file)
        except OSError as error:
            os.ftruncate(file, size)
            raise InputError(f"The answer could not be written: {error}.", where=path.name,
                             remedy="Free some space; earlier answers are safe.") from None  # fmt: skip


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f"The file cannot be opened: {error.strerror}.", where=str(path),
                         remedy="Check its permissions.") from None  # fmt: skip
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _header(file: int, where: str) -> list[str]:
    first = os.pread(file, _MOST_HEADER, 0).decode("utf-8-sig", "replace").splitlines()[0]
    found = next(csv.reader([first]), [])
    if not found:
        raise InputError(
            "The first line is empty.", where=where, line=1, remedy="It holds the names of the columns."
        )
    return found


def _ending(file: int, size: int, width: int, where: str) -> str:
    """What must stand before the new line: nothing, or the line break that a hand-edited last line lacks."""
    tail = os.pread(file, _MOST_HEADER, max(0, size - _MOST_HEADER)).decode("utf-8", "replace")
    if tail.endswith("\n"):
        return ""
    if len(next(csv.reader([tail.splitlines()[-1]]), [])) != width:
        raise InputError("The last line is broken off.", where=where, remedy="Complete or remove it by hand.")
    return "\n"


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([" ".join(cell.split()) for cell in cells])
    return text.getvalue()
