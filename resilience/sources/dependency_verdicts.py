"""data/labels/dependencies.csv: what people found out about dependencies that nobody had declared, with who and when."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import schema
from ..errors import InputError
from ..schema.words import DEPENDENCY_VERDICTS
from . import text_csv

NAME = "dependencies.csv"
FOLDER = "labels"


def read(path: Path, uri: str) -> pd.DataFrame:
    """Table `dependency_verdicts`; of two answers about one dependency the later line counts.

    `uri` names the file in the store. Raises InputError, with the line, for a missing column, an unknown verdict, a
    service without a name or a bad time: one line that is wrong makes the file unusable, as every line is a decision.
    """
    columns = [name for name in schema.dtypes("dependency_verdicts") if name != "source_uri"]
    rows = text_csv.answers(path, uri, columns, "One short line per dependency.")
    at = pd.to_datetime(rows["decided_at"], utc=True, errors="coerce", format="ISO8601")
    wrong = rows.drop(columns="reason").isna().any(axis=1) | at.isna()
    wrong |= ~rows["verdict"].isin(DEPENDENCY_VERDICTS)
    if wrong.any():
        first = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{int(wrong.sum())} row(s) lack a value, have no ISO time or another verdict than "
            f"{' or '.join(DEPENDENCY_VERDICTS)}; the first is {rows.iloc[first].fillna('').to_dict()}.",
            where=uri,
            line=first + 2,
            remedy="Correct the line, or remove it and run `resilience confirm --dependency` again.",
        )
    rows = rows.assign(decided_at=at, source_uri=uri)
    return schema.frame("dependency_verdicts", rows.drop_duplicates(["service", "follower"], keep="last"))
