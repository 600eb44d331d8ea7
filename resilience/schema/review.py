"""What people and readers say about the rows of other tables."""

from __future__ import annotations

import pandas as pd

from .columns import Table, Time, column, maybe
from .words import DEPENDENCY_VERDICTS, LINKED_BY


class Problems(Table):
    """Everything that a reader skipped, could not parse, or found contradictory. Nothing is dropped silently."""

    problem_id: str = column("Hash of file, line, field and message")
    source_uri: str = column("File it is about")
    line: pd.Int64Dtype = maybe("Line in the file, from 1", ge=1)
    subject: str = maybe("Incident or GameDay it is about")
    field: str = maybe("Column that is null or doubtful because of it")
    kind: str = column(
        "skipped (on purpose), missing, unreadable, contradiction, doubtful (possible, but worth a look)",
        isin=("skipped", "missing", "unreadable", "contradiction", "doubtful"),
    )
    message: str = column("What is wrong, with the values as written; untrusted text")
    remedy: str = column("What to do about it")


class Labels(Table):
    """Human answers to 'what was the cause?'. They live apart from incidents, with who and when."""

    incident_id: str = column("Key of incidents")
    failure_class: str = column("Class from the taxonomy, or unknown")
    second_class: str = maybe("Second cause, where there are two")
    labelled_by: str = column("Who answered")
    labelled_at: Time = column("When", "UTC")
    taxonomy_version: str = column("Version of the taxonomy the answer refers to")


class DependencyVerdicts(Table):
    """What people found out about dependencies that nobody had declared: data/labels/dependencies.csv."""

    service: str = column("Service that the other one would depend on")
    follower: str = column("Service that would fail with it")
    verdict: str = column("confirmed: it is there; dismissed: it is not", isin=DEPENDENCY_VERDICTS)
    decided_by: str = column("Who")
    decided_at: Time = column("When", "UTC")
    reason: str = maybe("Why, e.g. the experiment that showed it; untrusted text")
    source_uri: str = column("File it came from")


class IncidentNames(Table):
    """What other sources may call an incident: ids and addresses, one row each. Links are found by them."""

    incident_id: str = column("Key of incidents")
    name: str = column("Id or address as the tracker states it; untrusted text")


class IncidentLinks(Table):
    """Pairs of incidents of different sources that are the same, and those a person said are not. Rows stay apart."""

    incident_id: str = column("Key of incidents, the smaller of the two")
    other_id: str = column("Key of incidents, the larger of the two")
    linked: bool = column("True: counted as one incident; False: a person undid or forbade it")
    reason: str = column("Why, with what was compared; untrusted text")
    score: float = column("1 for ids and people; else how alike, from 0 to 1", "", ge=0, le=1)
    decided_by: str = column("id: one names the other; similarity; or person", isin=LINKED_BY)


class Corrections(Table):
    """Entries of data/corrections.yml, applied where tables are read for an analysis; the stored rows stay raw."""

    target: str = column("Table that is corrected")
    row_key: str = column("Key of the row, as JSON")
    column_name: str = column("Column that is corrected")
    old_value: str = column("Value that the source states, as JSON; another one there is an error")
    new_value: str = column("Value used instead, as JSON")
    reason: str = column("Why; untrusted text")
    corrected_by: str = column("Who")
    corrected_at: Time = column("When", "UTC")
    source_uri: str = column("File it came from")
    line: int = column("Line in that file, from 1", ge=1)
