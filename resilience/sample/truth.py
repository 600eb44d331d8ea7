"""What is true and what was planted, decided before anything is written, and kept in a file of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from . import gamedays, labels, wording, world
from .gamedays import Recording
from .world import FIRST, LAST, Incident, World

# House style of each team: front matter, key and value lines, or sections after the SRE book.
STYLES = ("front-matter", "key-value", "sre-book")
_HOUSE = {
    "discovery": 0, "checkout": 1, "payments": 2, "pricing": 0, "supply": 1, "identity": 2, "messaging": 1,
    "platform": 2, "after-sales": 0,
}  # fmt: skip
MOMENTS = ("started", "detected", "acknowledged", "mitigated", "resolved")
_MISSING: tuple[tuple[str, ...], ...] = (
    ("detected",), ("started",), ("mitigated",), ("detected", "mitigated"), ("resolved",), ("started", "detected")
)  # fmt: skip
_WRONG_BY = (45, -20)  # minutes by which the stated recovery of two reports is off
_UNEXPLAINED = 5  # reports that could not name a cause
_LABELLED, _WRONG_LABELS = 0.4, 0.05


@dataclass(frozen=True)
class Truth:
    """The world, the labels that people gave (some wrong), and what the metrics showed on both GameDays."""

    world: World
    labels: tuple[labels.Label, ...]
    recordings: tuple[Recording, ...]

    @property
    def experiments(self) -> list[dict[str, Any]]:
        """One row per experiment: expected verdict, fault and true peak backlog."""
        return [row for recording in self.recordings for row in _experiments(recording)]

    @property
    def planted(self) -> dict[str, Any]:
        """What was planted on purpose, counted."""
        known = self.world.incidents
        return {
            "incidents": len(known),
            "open": [i.incident_id for i in known if i.ended is None],
            "missing_times": {i.incident_id: list(i.missing) for i in known if i.missing},
            "contradictions": {i.incident_id: i.stated_off_min for i in known if i.stated_off_min},
            "cause_not_stated": [i.incident_id for i in known if not i.cause_stated],
            "votes_not_followed": ["token-lifetime-flag"],
            "labels": len(self.labels),
            "wrong_labels": [row.incident_id for row in self.labels if row.wrong],
            "classes": dict(sorted(Counter(i.failure_class for i in known).items())),
            "styles": dict(sorted(Counter(i.style for i in known).items())),
            "hands": dict(sorted(Counter(i.hand for i in known).items())),
        }

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        outage = next(i for i in self.world.incidents if i.outage)
        return {
            "simulated": True,
            "seed": self.world.seed,
            "from": stamp(FIRST),
            "to": stamp(LAST),
            "planted": self.planted,
            "telemetry_gaps": [gap.as_dict() for gap in self.world.gaps],
            "outage": {
                "incident_id": outage.incident_id,
                "services": list(outage.services),
                "from": stamp(outage.started),
                "to": stamp(outage.mitigated),
            },
            "services": [
                {
                    "service": s.name,
                    "team": s.team,
                    "tier": s.tier,
                    "calls": list(s.calls),
                    "growth_pct_per_year": round(s.growth * 100, 1),
                }
                for s in self.world.services
            ],
            "incidents": [_incident(i) for i in self.world.incidents],
            "experiments": self.experiments,
        }

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")


def stamp(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}Z"


def _incident(incident: Incident) -> dict[str, Any]:
    held = [m for m in MOMENTS if m not in incident.missing and incident.at(m) is not None]
    if incident.style == STYLES[2]:
        held.remove("acknowledged")  # this house does not write it down
    return {
        "incident_id": incident.incident_id,
        "failure_class": incident.failure_class,
        "second_class": incident.second_class,
        "severity": f"SEV{incident.severity}",
        "services": list(incident.services),
        "teams": list(incident.teams),
        "detected_by": incident.found_by,
        "started": stamp(incident.started),
        "detected": stamp(incident.detected),
        "acknowledged": stamp(incident.acknowledged),
        "mitigated": stamp(incident.mitigated),
        "resolved": stamp(incident.ended),
        "report_holds": held,
        "style": incident.style,
        "hand": incident.hand,
        "cause_stated": incident.cause_stated,
        "stated_off_min": incident.stated_off_min,
    }


def plan(seed: int, *, n_services: int = 36, n_incidents: int = 180) -> Truth:
    """Decides the world, who writes about each incident and how, what is planted, and what people answer as labels."""
    drawn = world.build(seed, n_services=n_services, n_incidents=n_incidents, quiet=gamedays.quiet())
    rngs = world.streams(seed)
    told = _plant(rngs["reports"], [_assign(rngs["reports"], i) for i in drawn.incidents])
    told = _scenarios(rngs["reports"], told)
    final = replace(drawn, incidents=tuple(told))
    recordings = tuple(gamedays.record(final, rngs["gamedays"], name) for name in gamedays.DAYS)
    answers = labels.draw(rngs["labels"], final.incidents, _LABELLED, _WRONG_LABELS)
    return Truth(final, answers, recordings)


def _assign(rng: np.random.Generator, incident: Incident) -> Incident:
    """The first team's house style, one time in eight another; and one of the two halves of writers."""
    style = _HOUSE[incident.teams[0]] if rng.random() < 0.875 else int(rng.integers(len(STYLES)))
    half = wording.HALVES[int(rng.integers(2))]
    return replace(incident, style=STYLES[style], half=half, hand=f"{STYLES[style]}-{half}")


def _plant(rng: np.random.Generator, told: list[Incident]) -> list[Incident]:
    """Missing times and unexplained causes in ordinary reports; contradictions where durations are stated."""
    plain = [i for i, row in enumerate(told) if row.style != STYLES[2] and row.ended and not row.outage]
    stated = [
        i
        for i, row in enumerate(told)
        if row.style == STYLES[2] and row.ended and row.ended - row.started > timedelta(hours=1)
    ]
    # An open incident has no duration to state, and its house writes what is not known yet.
    told = [
        replace(row, style=STYLES[0], hand=f"{STYLES[0]}-{row.half}") if not row.ended else row
        for row in told
    ]
    for i, missing in zip(rng.choice(plain, len(_MISSING), replace=False), _MISSING, strict=True):
        told[i] = replace(told[i], missing=missing)
    for i, off in zip(rng.choice(stated, len(_WRONG_BY), replace=False), _WRONG_BY, strict=True):
        told[i] = replace(told[i], stated_off_min=off)
    for i in rng.choice(len(told), _UNEXPLAINED, replace=False):
        told[i] = replace(told[i], cause_stated=False)
    return told


def _scenarios(rng: np.random.Generator, told: list[Incident]) -> list[Incident]:
    """The scenario that fits class and service and was told least often so far."""
    used: Counter[tuple[str, str, int]] = Counter()
    found = []
    for row in told:
        fit = wording.fitting(row.half, row.failure_class, row.services[0])
        fit = [fit[int(i)] for i in rng.permutation(len(fit))]
        best = min(fit, key=lambda i: used[row.half, row.failure_class, i])
        used[row.half, row.failure_class, best] += 1
        second = wording.scenarios(row.half, row.failure_class)[best].second
        found.append(replace(row, scenario=best, second_class=second if row.cause_stated else None))
    return found


def _experiments(recording: Recording) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for key, start, end in gamedays.faults(recording.gameday):
        rows.append(
            {
                "gameday_id": recording.gameday,
                "experiment_key": key,
                "verdict": gamedays.VERDICTS[recording.gameday, key],
                "fault_from": stamp(start),
                "fault_to": stamp(end),
                "peak_backlog": gamedays.peak_backlog(recording, key),
            }
        )
    return rows
