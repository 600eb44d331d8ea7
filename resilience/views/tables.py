"""The store as a question reads it: corrections applied, linked incidents counted once, classes and labels beside them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from .. import schema
from ..analysis import corrections, linking
from ..kept import kept
from ..store import Store


def open_store(root: str, versions: str = "{}") -> Store:
    """The store at `root`, pinned to `versions` (JSON: table -> version); '{}' pins each to the newest there is now.

    A table that is not named was not there, or is not read, when the report was made: it is empty.
    """
    given = json.loads(versions)
    return Store(root, given, absent=schema.TABLES.keys() - given.keys()) if given else Store(root).pinned()


def table(store: Store, name: str, **chosen: Any) -> pd.DataFrame:
    """`store.load` with the corrections in the store applied. Raises InputError where one no longer fits."""
    rows = store.load(name, **chosen)
    return corrections.apply(name, rows, store.load("corrections"), whole=not chosen)


def merged(store: Store) -> linking.Merged:
    """One row per real incident, whoever told it, and for each field of a linked one the source that won it."""
    found = store.once(
        "merged", lambda: linking.merge(table(store, "incidents"), store.load("incident_links"))
    )
    return linking.Merged(found.incidents.copy(deep=False), found.fields.copy(deep=False))


def incidents(store: Store, *, kind: str | None, by: str | None = None) -> pd.DataFrame:
    """Incidents of one kind, joined to what `by` groups them by: one row per service, or the class as `cause`.

    Rows of several sources that are the same incident are one; `linked_ids` names the others.
    """
    rows = merged(store).incidents
    rows = rows if kind is None else rows[rows["kind"] == kind].reset_index(drop=True)
    if by == "service":
        return rows.assign(service=rows["services"].str.split(", ")).explode("service", ignore_index=True)
    if by == "cause":
        from ..analysis import causes

        found = causes.classify(rows, labels(store)).table
        return rows.merge(found[["incident_id", "failure_class"]], on="incident_id").rename(
            columns={"failure_class": "cause"}
        )
    return rows


def incident_services(incidents: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `incidents` (linked ones count once) and service."""
    rows = incidents[["incident_id", "services"]].dropna()
    rows = rows.assign(service=rows["services"].str.split(", ")).explode("service", ignore_index=True)
    return rows[["incident_id", "service"]].drop_duplicates(ignore_index=True)


def labels(store: Store) -> pd.DataFrame:
    """Human labels under the id that a linked incident is counted by; of two by one person, the later."""
    return counted_by(store, table(store, "labels"))


def counted_by(store: Store, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of the table labels, such as those of a file, under the id that a linked incident is counted by."""
    found = merged(store).incidents
    linked = found[["incident_id", "linked_ids"]].dropna()
    counted = {other: row.incident_id for row in linked.itertuples() for other in row.linked_ids.split(", ")}
    rows = rows.assign(incident_id=rows["incident_id"].replace(counted)).sort_values(
        "labelled_at", kind="stable"
    )
    keys = list(schema.key("labels"))
    return rows.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True)


def classes(store: Store) -> pd.DataFrame:
    """Real incidents with `failure_class`, the likeliest or `unknown`: incident_id, started_at, detected_at, services."""
    rows = incidents(store, kind="real")
    columns = ["incident_id", "started_at", "detected_at", "services", "failure_class"]
    found = store.once("classes", lambda: classified(store, rows, labels(store))[0])
    return rows.merge(found[["incident_id", "failure_class"]], on="incident_id")[columns]


def classified(store: Store, rows: pd.DataFrame, given: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Table and sentence of `causes.classify`: it takes seconds and many pages ask for it, so it is kept."""

    def made() -> pd.DataFrame:
        from ..analysis import causes

        found = causes.classify(rows, given)
        table = found.table.copy(deep=False)
        table.attrs["text"] = found.text
        return table

    found = kept(store, "classes", [rows, given], made)
    return found, str(found.attrs["text"])
