"""Human answers to "what was the cause?", with who and when; a few of them wrong, as people are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from .world import SHARES, Incident

COLUMNS = "incident_id,failure_class,second_class,labelled_by,labelled_at,taxonomy_version"
_WHO = ("analyst", "ops lead")


@dataclass(frozen=True)
class Label:
    """One answer. `wrong` is known to the sample only."""

    incident_id: str
    failure_class: str
    second_class: str | None
    labelled_by: str
    labelled_at: datetime
    wrong: bool


def draw(
    rng: np.random.Generator, incidents: Sequence[Incident], share: float, wrong: float
) -> tuple[Label, ...]:
    """Labels for a `share` of incidents, of which a share `wrong` names another class."""
    count = round(share * len(incidents))
    chosen = sorted(int(i) for i in rng.choice(len(incidents), count, replace=False))
    mistaken = {int(i) for i in rng.choice(chosen, round(wrong * count), replace=False)}
    at = datetime(2021, 6, 7, 8, 0, tzinfo=UTC)
    found = []
    for i in chosen:
        incident = incidents[i]
        at += timedelta(minutes=int(rng.integers(2, 15)))
        answer, second = incident.failure_class, incident.second_class
        if i in mistaken:
            others = [c for c in SHARES if c not in (answer, second)]
            answer, second = others[int(rng.integers(len(others)))], None
        found.append(
            Label(incident.incident_id, answer, second, _WHO[int(rng.integers(2))], at, i in mistaken)
        )
    return tuple(found)


def write(path: Path, answers: Sequence[Label]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [COLUMNS]
    rows += [
        f"{a.incident_id},{a.failure_class},{a.second_class or ''},{a.labelled_by},{a.labelled_at:%Y-%m-%dT%H:%M:%S}Z,1"
        for a in answers
    ]
    path.write_bytes(("\n".join(rows) + "\n").encode())
