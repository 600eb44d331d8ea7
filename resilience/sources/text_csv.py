"""A CSV with a header line as a frame of texts: what every reader of small tables begins with.

Spreadsheets write CSV with semicolons or tabs where the comma is the decimal mark, and UTF-16 as "Unicode text".
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError

_MOST_ANSWERS = 50_000_000  # bytes


def read(path: Path, where: str, remedy: str, **options: Any) -> pd.DataFrame:
    """Cells as they stand, an empty one as ''; `options` go to `pandas.read_csv`.

    Cells are parted by whichever of comma, semicolon, tab and bar the header line holds most of; UTF-16 shows itself.
    Raises InputError, which names `where` and `remedy`, for what is no such CSV: other encodings, a NUL, no header, rows
    of more cells than the header.
    """
    # Without index_col=False a file whose rows are one cell longer than its header is read one column off.
    usual: dict[str, Any] = {
        "dtype": str,
        "keep_default_na": False,
        "index_col": False,
    }
    try:
        text = _decoded(path.read_bytes())
        if "\0" in text:
            raise ValueError("it holds a NUL")
        usual["sep"] = _separator(text)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(StringIO(text), **{**usual, **options})
    except pd.errors.ParserWarning:
        raise InputError(
            "Rows have more cells than the header line.",
            where=where,
            remedy=f"Quote cells that hold commas. {remedy}",
        ) from None
    except (OSError, OverflowError, ValueError) as error:  # pandas' own errors are ValueErrors
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"The file is not a CSV in UTF-8: {said}.", where=where, remedy=remedy) from None


def header(path: Path) -> list[str]:
    """The names in the first line of the CSV at `path`; empty where there is none or it cannot be read."""
    try:
        with path.open("rb") as file:
            head = _decoded(file.read(65_536), "replace").partition("\n")[0]
        return next(csv.reader([head], delimiter=_separator(head)), [])
    except (OSError, ValueError, csv.Error):
        return []


def _decoded(data: bytes, errors: str = "strict") -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return data.decode("utf-16" if wide else "utf-8-sig", errors)


def _separator(text: str) -> str:
    line = text[:65_536].partition("\n")[0]
    return max(",;\t|", key=line.count)


def answers(path: Path, where: str, columns: Sequence[str], short: str) -> pd.DataFrame:
    """The `columns` of a file of people's answers, an empty cell as null; `short`: what one line of it is.

    Raises InputError, as `read`, and for a missing column or over 50 MB.
    """
    remedy = f"Columns: {', '.join(columns)}."
    if path.stat().st_size > _MOST_ANSWERS:
        raise InputError("The file is over 50 MB.", where=where, remedy=short)
    rows = read(path, where, remedy, na_values=[""])
    if missing := [name for name in columns if name not in rows]:
        raise InputError(f"There is no column {', '.join(missing)}.", where=where, line=1, remedy=remedy)
    return rows[list(columns)]
