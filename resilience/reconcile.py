"""After files came in: corrections are checked against the store, and the same incident of two sources is linked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from . import schema
from .analysis import corrections, linking
from .errors import InputError
from .sources import corrections_file
from .sources.problems import problem
from .store import Commit, Store

DOUBTS = "data/corrections.yml"
"""What problems about links name as their file: it is there that a person decides."""

_REDONE = 5  # times that another writer's incidents make links be found anew


def read(path: Path, uri: str, store: Store) -> corrections_file.Read:
    """Entries of `path`. Raises InputError where it is gone although the store holds entries of it."""
    if path.is_file():
        return corrections_file.read(path, uri)
    held = len(store.load("corrections"))
    people = store.load("incident_links", where={"decided_by": ["person"]})
    if held or len(people):
        raise InputError(
            f"The file is gone, but the store holds {held} correction(s) and {len(people)} link(s) of it.",
            where=uri,
            remedy="Put it back; to undo them all, leave it there empty.",
        )
    return corrections_file.Read(schema.frame("corrections"), people)


def reconcile(store: Store, given: corrections_file.Read | None) -> tuple[list[Commit], pd.DataFrame]:
    """Write `corrections` and `incident_links` anew; the commits, and problems about what a person should decide.

    `given` None keeps the corrections and decisions that the store holds. Raises InputError, nothing of them written,
    where an entry does not fit the store's rows.
    """
    commits = []
    if given is not None:
        for table in sorted(set(given.corrections["target"])):
            corrections.apply(table, store.load(table), given.corrections)
        known = set(store.load("incidents")["incident_id"])
        unknown = sorted({*given.links["incident_id"], *given.links["other_id"]} - known)
        if unknown:
            raise InputError(
                f"Linked or parted incidents are not in the store: {', '.join(unknown[:5])}.",
                where=DOUBTS,
                remedy="Correct the ids (`resilience links` shows them), or remove the entries.",
            )
        stale = [*store.load("corrections")["target"], *given.corrections["target"]]
        commits.append(store.upsert("corrections", given.corrections, replacing=("target", stale)))
    for _ in range(_REDONE):
        version = store.version("incidents")
        found, incidents = _links(store, given)
        commits.append(
            store.upsert("incident_links", found.table, replacing=("decided_by", schema.LINKED_BY))
        )
        if store.version("incidents") == version:  # else another process added some meanwhile
            break
    return [c for c in commits if c.version is not None], _problems(found, incidents)


def _links(store: Store, given: corrections_file.Read | None) -> tuple[linking.Links, pd.DataFrame]:
    decided = store.load("incident_links", where={"decided_by": ["person"]}) if given is None else given.links
    incidents = corrections.apply("incidents", store.load("incidents"), store.load("corrections"))
    return linking.find(incidents, store.load("incident_names"), decided), incidents


def _problems(found: linking.Links, incidents: pd.DataFrame) -> pd.DataFrame:
    rows = [
        problem(
            DOUBTS,
            "contradiction",
            doubt.message,
            "If two are the same incident, link them in data/corrections.yml (docs/sources.md).",
            subject=doubt.incident_id,
            field=doubt.field,
        )
        for doubt in found.doubts.itertuples()
    ]
    fields = linking.merge(incidents, found.table).fields
    clocks = fields[
        fields["field"].isin(["started_at", "detected_at", "mitigated_at", "resolved_at", "kind"])
    ]
    values = incidents.set_index("incident_id")
    rows += [
        problem(
            DOUBTS,
            "contradiction",
            f"{one.field} of {one.incident_id} is {values.loc[one.from_id, one.field]} by {one.from_id}, which is used; "
            f"it is not by {one.others}.",
            "Correct the wrong source, or unlink the two in data/corrections.yml.",
            subject=one.incident_id,
            field=one.field,
        )
        for one in clocks[clocks["others"].notna()].itertuples()
    ]
    return schema.frame("problems", list({row["problem_id"]: row for row in rows}.values()))
