"""What two sources both claim: an id, or a point of a series. Which of them is kept, and the problem that says so.

Pure: rows as read and rows as stored in, rows to store and rows of `problems` out.
"""

from __future__ import annotations

import pandas as pd

from . import schema
from .sources import reports, trackers
from .sources.problems import problem


def own_ids(read: reports.Reports, stored: pd.DataFrame) -> reports.Reports:
    """`read` with a suffix, and a problem, for each id that an incident of another file in `stored` has.

    The same text from elsewhere is a moved file, which keeps its id.
    """
    known = stored.set_index("incident_id")
    clashes = {}
    for row in read.incidents.itertuples():
        if row.incident_id in known.index:
            other = known.loc[row.incident_id]
            if other["source_uri"] != row.source_uri and other["text"] != row.text:
                clashes[row.incident_id] = reports.distinct_id(row.incident_id, row.source_uri)
    if not clashes:
        return read
    rows = [
        problem(
            row.source_uri,
            "contradiction",
            f"{row.incident_id} is the id of another report too: {known.loc[row.incident_id]['source_uri']}.",
            "Give one of the two its own id; until then this one is kept under the id named as subject.",
            subject=clashes[row.incident_id],
            field="incident_id",
        )
        for row in read.incidents.itertuples()
        if row.incident_id in clashes
    ]
    renamed = {
        name: getattr(read, name).replace({"incident_id": clashes}) for name in ("incidents", *reports.PARTS)
    }
    return reports.Reports(
        **renamed, problems=pd.concat([read.problems, schema.frame("problems", rows)], ignore_index=True)
    )


def without_taken(incidents: pd.DataFrame, stored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of an export whose id nobody in `stored` has a better claim to, and problems.

    A report came first and is kept; of what a sync fetched the API's present state is newer than any saved reply.
    """
    of_reports = incidents["incident_id"].isin(stored.loc[stored["source"] == "markdown", "incident_id"])
    rows = [
        problem(
            row.source_uri,
            "contradiction",
            f"{row.incident_id} is the id of a report too; the export's row was not used.",
            "Give the report an id of its own.",
            subject=row.incident_id,
            field="incident_id",
        )
        for row in incidents[of_reports].itertuples()
    ]
    synced = stored.loc[stored["source_uri"].str.startswith(trackers.SYNCED), "incident_id"]
    fetched = incidents["incident_id"].isin(synced) & ~of_reports
    rows += [
        problem(
            uri,
            "skipped",
            f"{n} incident(s) of this file come from `resilience sync` too, whose state is kept.",
            "Nothing; the file is needed only where Datadog no longer has them.",
            field="incident_id",
        )
        for uri, n in incidents.loc[fetched, "source_uri"].value_counts(sort=False).items()
    ]
    return incidents[~(of_reports | fetched)].reset_index(drop=True), schema.frame("problems", rows)


def points_once(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `series` without doubled points, and problems: equal ones stand once, unequal ones are null.

    Nothing says which of two unequal ones is right.
    """
    keys = list(schema.key("series"))
    doubled = rows[rows.duplicated(keys, keep=False)]
    if doubled.empty:
        return rows, schema.frame("problems")
    unequal = doubled[doubled.groupby(keys)["value"].transform("nunique", dropna=False) > 1]
    problems = []
    for (metric, scope), points in unequal.groupby(["metric", "scope"], sort=True):
        files = " and ".join(sorted(points["source"].unique()))
        said = f"{points['at'].nunique()} point(s) of {metric} {scope} differ between {files}; they were left empty."
        remedy = "Remove the export that is wrong, and ingest the other one alone."
        problems.append(problem(points["source"].max(), "contradiction", said, remedy, field="value"))
    kept = rows.assign(value=rows["value"].mask(rows.index.isin(unequal.index)))
    return kept.drop_duplicates(keys, keep="last", ignore_index=True), schema.frame("problems", problems)
