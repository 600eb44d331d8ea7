"""CSV files of deployments: exports of Datadog's DORA deployments, of a pipeline, or by hand.

A file is one where its header has a service, and a moment under a name that only a deployment has (or is named
deployments*.csv). Times need a zone; without one they are not guessed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import schema
from ..errors import InputError
from . import text_csv
from .problems import problem

SOURCE = "csv"
_MAX_BYTES = 200_000_000
_COLUMNS = {
    "deployment_id": ("deployment_id", "id", "deploy_id"),
    "service": ("service", "service_name", "application", "app", "component"),
    "started_at": (
        "started_at",
        "deployed_at",
        "deployment_started_at",
        "start",
        "start_time",
        "timestamp",
        "time",
    ),
    "finished_at": ("finished_at", "deployment_finished_at", "completed_at", "end", "end_time"),
    "environment": ("env", "environment", "stage"),
    "version": ("version", "tag", "release", "build", "git_commit_sha", "commit", "sha"),
    "team": ("team", "owner"),
    "kind": ("kind", "type", "deployment_type", "change_type"),
}
_OWN = {"deployment_id", "deploy_id", "deployed_at", "deployment_started_at"}  # names that no other table has
_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (0.0, "s"))  # a moment since 1970 by its size


@dataclass(frozen=True)
class Deployments:
    """Tables `deployments` and `problems` of one file."""

    deployments: pd.DataFrame
    problems: pd.DataFrame


def recognise(path: Path) -> bool:
    """Whether the CSV at `path` holds deployments, by its header; False where it cannot be read."""
    names = [_plain(name) for name in text_csv.header(path)]
    found = _found(names)
    if not {"service", "started_at"} <= set(found):
        return False
    return path.name.lower().startswith("deploy") or bool(_OWN & set(names))


def read(path: Path, uri: str) -> Deployments:
    """Deployments of the CSV at `path`, called `uri` in problems. Raises InputError where it is not such a CSV.

    Rows without a service or without a moment that has a zone are left out, each with a problem. A row without an id gets
    one made of its other values, so that reading it again changes nothing.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise InputError("The file is over 200 MB.", where=uri, remedy="Split it by year.")
    given = text_csv.read(path, uri, "Export it again as UTF-8 CSV with a header line.")
    found = _found([_plain(name) for name in given.columns])
    if missing := [name for name in ("service", "started_at") if name not in found]:
        raise InputError(f"There is no column for {' and '.join(missing)}.", where=uri, line=1,
                         remedy="Columns: service, started_at; also finished_at, env, version, team, kind.")  # fmt: skip
    text = pd.DataFrame({name: given.iloc[:, place].str.strip() for name, place in found.items()})
    rows = text.assign(started_at=_moments(text["started_at"]))
    rows["finished_at"] = _moments(text["finished_at"]) if "finished_at" in text else pd.NaT
    bad = (text["service"] == "") | rows["started_at"].isna()
    problems = [
        problem(
            uri,
            "missing",
            f"Deployment of {text['service'].iloc[row] or 'no service'}: its start is {text['started_at'].iloc[row]!r}.",
            "Give the service and a moment with a zone, such as 2021-06-01T09:30:00Z.",
            line=int(row) + 2,
            field="started_at",
        )
        for row in bad.to_numpy().nonzero()[0][:1000]
    ]  # fmt: skip
    made = [
        "d-" + hashlib.sha256("\0".join(cells).encode()).hexdigest()[:16]
        for cells in text.reindex(columns=list(_COLUMNS), fill_value="").itertuples(index=False)
    ]
    key = text["deployment_id"] if "deployment_id" in text else pd.Series("", index=text.index)
    rows = rows.assign(deployment_id=key.where(key != "", pd.Series(made, index=text.index)), source=SOURCE)[
        ~bad
    ]
    names = [name for name in schema.dtypes("deployments") if name in rows]
    rows = rows[names].drop_duplicates("deployment_id", keep="last")
    for name in ("environment", "version", "team", "kind"):
        if name in rows:
            rows[name] = rows[name].where(rows[name] != "")
    return Deployments(schema.frame("deployments", rows), schema.frame("problems", problems))


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_").removeprefix("attributes.")


def _found(names: list[str]) -> dict[str, int]:
    """Column of the table -> place in the file; of several spellings the first in `_COLUMNS`."""
    return {
        column: names.index(here[0])
        for column, spellings in _COLUMNS.items()
        if (here := [spelling for spelling in spellings if spelling in names])
    }


def _moments(text: pd.Series) -> pd.Series:
    """ISO times with a zone, or numbers since 1970 in s, ms, us or ns; everything else is NaT."""
    numbers = pd.to_numeric(text, errors="coerce")
    zoned = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2}| UTC| GMT)$", case=False, regex=True)
    found = pd.to_datetime(
        text.where(zoned & numbers.isna()), utc=True, errors="coerce", format="mixed"
    ).astype("datetime64[us, UTC]")
    for least, unit in _UNITS:
        here = numbers.notna() & found.isna() & (numbers.abs() >= least) & (numbers.abs() < 4e18)
        if here.any():
            found[here] = pd.to_datetime(numbers[here], unit=unit, utc=True, errors="coerce").astype(
                "datetime64[us, UTC]"
            )
    return found
