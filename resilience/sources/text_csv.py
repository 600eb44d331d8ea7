"""A CSV in UTF-8 with a header line as a frame of texts: what every reader of small tables begins with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError

_MOST_ANSWERS = 50_000_000  # bytes


def read(path: Path, where: str, remedy: str, **options: Any) -> pd.DataFrame:
    """Cells as they stand, an empty one as ''; `options` go to `pandas.read_csv`.

    Raises InputError, which names `where` and `remedy`, for what is no such CSV: other encodings, a NUL, no header, rows
    of more cells than the header.
    """
    # Without index_col=False a file whose rows are one cell longer than its header is read one column off.
    usual: dict[str, Any] = {
        "dtype": str,
        "keep_default_na": False,
        "encoding": "utf-8-sig",
        "index_col": False,
    }
    try:
        if b"\0" in path.read_bytes():
            raise ValueError("it holds a NUL")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(path, **{**usual, **options})
    except pd.errors.ParserWarning:
        raise InputError(
            "Rows have more cells than the header line.",
            where=where,
            remedy=f"Quote cells that hold commas. {remedy}",
        ) from None
    except (OSError, OverflowError, ValueError) as error:  # pandas' own errors are ValueErrors
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"The file is not a CSV in UTF-8: {said}.", where=where, remedy=remedy) from None


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
