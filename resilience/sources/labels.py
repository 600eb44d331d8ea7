"""data/labels/root_cause.csv: human answers to 'what was the cause?', with who and when."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import schema
from ..errors import InputError
from ..failure_classes import FAILURE_CLASSES, RENAMED
from . import text_csv


def read(path: Path) -> pd.DataFrame:
    """Table `labels`, with classes as they were written: a name that was given up since is no mistake.

    Raises InputError, with the line, for a missing column, an unknown class or a bad time.
    """
    columns = list(schema.dtypes("labels"))
    where = path.name
    rows = text_csv.answers(path, where, columns, "Labels are one short line per report.")
    empty = rows.drop(columns="second_class").isna().any(axis=1)
    for name in ("failure_class", "second_class"):
        empty |= rows[name].notna() & ~rows[name].isin([*FAILURE_CLASSES, *RENAMED])
    at = pd.to_datetime(rows["labelled_at"], utc=True, errors="coerce", format="ISO8601")
    wrong = empty | at.isna()
    if wrong.any():
        first = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{int(wrong.sum())} row(s) lack a value, name an unknown class or have no ISO time; the first is "
            f"{rows.iloc[first].fillna('').to_dict()}.",
            where=where,
            line=first + 2,
            remedy=f"Classes: {', '.join(FAILURE_CLASSES)}. A class that got another name: add it to `renamed` of "
            "the taxonomy.",
        )
    return schema.frame(
        "labels", rows.assign(labelled_at=at).drop_duplicates(["incident_id", "labelled_by"], keep="last")
    )
