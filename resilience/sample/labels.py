"""Human answers to "what was the cause?", with who and when; a few of them wrong, as people are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .draw import SHARES
from .graph import table
from .world import Incident, own

_LABELLED, _WRONG = 0.4, 0.05
_WHO = ("analyst", "ops lead")
_FIRST = datetime(2021, 6, 7, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Label:
    """One answer. `wrong` is known to the sample only."""

    incident_id: str
    failure_class: str
    second_class: str | None
    labelled_by: str
    labelled_at: datetime
    wrong: bool


def draw(seed: int, incidents: Sequence[Incident]) -> tuple[Label, ...]:
    """Labels for about 40 % of incidents, of which about 5 % name another class; the same in every world."""
    found = []
    for incident in incidents:
        rng = own(seed, incident.number, 7)
        labelled, mistaken = rng.random(2)
        other, who, minute = (int(n) for n in rng.integers([len(SHARES) - 2, len(_WHO), 12]))
        if labelled >= _LABELLED:
            continue
        answer, second = incident.failure_class, incident.second_class
        if wrong := bool(mistaken < _WRONG):
            others = [c for c in SHARES if c not in (answer, second)]
            answer, second = others[other % len(others)], None
        at = _FIRST + timedelta(minutes=12 * incident.number + minute)
        found.append(Label(incident.incident_id, answer, second, _WHO[who], at, wrong))
    return tuple(found)


def write(path: Path, answers: Sequence[Label]) -> None:
    table(
        path,
        [
            {
                "incident_id": a.incident_id,
                "failure_class": a.failure_class,
                "second_class": a.second_class or "",
                "labelled_by": a.labelled_by,
                "labelled_at": f"{a.labelled_at:%Y-%m-%dT%H:%M:%S}Z",
                "taxonomy_version": 1,
            }
            for a in answers
        ],
    )
