"""What is true and what was planted, decided before anything is written, and kept in a file of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from . import deployments, draw, effects, gamedays, graph, labels, limits, marketplace, planting, switches
from .effects import Effects
from .gamedays import Recording
from .planting import STYLES
from .switches import Switches
from .world import FIRST, LAST, ZONE, Gap, Incident, World, streams

MOMENTS = ("started", "detected", "acknowledged", "mitigated", "resolved")
_PER_REPORT = 1.14  # incidents drawn per report: some minor ones are never written down
_EDGES = 22 / 150  # hidden dependencies per service


@dataclass(frozen=True)
class Truth:
    """The world, the labels that people gave (some wrong), what GameDays changed, and what the metrics showed on them."""

    name: str
    size: str
    switches: Switches
    world: World
    effects: Effects
    labels: tuple[labels.Label, ...]
    recordings: tuple[Recording, ...]

    @property
    def experiments(self) -> list[dict[str, Any]]:
        """One row per experiment: expected verdict, fault and true peak backlog."""
        return [row for recording in self.recordings for row in _experiments(recording)]

    @property
    def planted(self) -> dict[str, Any]:
        """What was planted on purpose, counted."""
        known, wrong = self.world.incidents, [row.incident_id for row in self.labels if row.wrong]
        stated = {
            i.incident_id: f"recovery stated {i.stated_off_min} min off" for i in known if i.stated_off_min
        }
        slipped = {i.incident_id: "its end is dated before its start" for i in known if i.slipped_days}
        return {
            "incidents": len(known),
            "unwritten": len(self.world.unwritten),
            "open": [i.incident_id for i in known if i.ended is None],
            "missing_times": {i.incident_id: list(i.missing) for i in known if i.missing},
            "contradictions": stated | slipped,
            "duplicates": len(self.world.duplicates),
            "starts_recorded_late": sum(i.late_min > 0 for i in known),
            "cause_not_stated": [i.incident_id for i in known if not i.cause_stated],
            "votes_not_followed": ["token-lifetime-flag"],
            "labels": len(self.labels),
            "wrong_labels": wrong,
            "hidden_edges": len(self.world.edges),
            "saturating": [limit.service for limit in self.world.limits if limit.planted],
            "deployments": len(self.world.deployments),
            "costly_unrehearsed": [{"failure_class": c, "service": s} for c, s in draw.COSTLY],
            "classes": dict(sorted(Counter(i.failure_class for i in known).items())),
            "styles": dict(sorted(Counter(i.style for i in known).items())),
            "hands": dict(sorted(Counter(i.hand for i in known).items())),
        }

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        outage = next(i for i in self.world.incidents if i.outage)
        by_number = {i.number: i.incident_id for i in self.world.incidents}
        return {
            "simulated": True,
            "seed": self.world.seed,
            "world": self.name,
            "size": self.size,
            "switches": asdict(self.switches),
            "from": stamp(FIRST),
            "to": stamp(LAST),
            "clock_changes": ["2019-10-27", "2020-03-29", "2020-10-25", "2021-03-28"],
            "planted": self.planted,
            "periods": switches.periods(self.switches, FIRST, LAST),
            "gamedays": [_gameday(self.effects, *row) for row in self.effects.overall],
            "telemetry_gaps": [gap.as_dict() for gap in self.world.gaps],
            "outage": {
                "incident_id": outage.incident_id,
                "services": list(outage.services),
                "from": stamp(outage.started),
                "to": stamp(outage.mitigated),
            },
            "services": _services(self.world),
            "enlarged": [
                {"from": str(a), "to": str(b), "times": limits.ENLARGED} for a, b in limits.enlargements()
            ],
            "hidden_edges": [_edge(self.world, e) for e in self.world.edges],
            "incidents": [_incident(i) for i in self.world.incidents],
            "unwritten": [_incident(i) for i in self.world.unwritten],
            "prevented": [_incident(i) for i in self.world.prevented],
            "duplicates": [
                _incident(i) | {"duplicate_of": i.duplicate_of, "same_id": i.incident_id == i.duplicate_of}
                for i in self.world.duplicates
            ],
            "deployments_behind": [
                {"incident_id": by_number.get(d.behind), "service": d.service, "version": d.version, "at": stamp(d.started)}
                for d in self.world.deployments
                if d.behind is not None
            ],
            "cell_rates": {
                "unit": "incidents per year before any effect, without the outage and the incident still open",
                "classes": list(draw.SHARES),
                "services": [s.name for s in self.world.services],
                "rates": np.round(self.world.cell_rates, 5).tolist(),
            },
            "experiments": self.experiments,
        }  # fmt: skip

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")


def stamp(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}Z"


def drawn_for(reports: int) -> int:
    """How many incidents are drawn, so that about `reports` are written down."""
    return round(reports * _PER_REPORT)


def plan(
    seed: int,
    *,
    world: str = "base",
    size: str = "full",
    n_incidents: int | None = None,
) -> Truth:
    """Decides everything that is true in one of `switches.WORLDS`, at one of `switches.SIZES`, or with more reports."""
    how = switches.WORLDS[world]
    services, reports = switches.SIZES[size]
    rngs = streams(seed)
    known = marketplace.services(rngs["services"], services)
    quiet = gamedays.quiet()
    drawn = draw.draw(rngs["incidents"], known, drawn_for(n_incidents or reports), quiet)
    failures = Counter(i.services[0] for i in drawn.incidents if i.severity != draw.MINOR)
    edges = graph.hidden(rngs["edges"], known, failures, round(_EDGES * services))
    told = planting.tell(seed, rngs["reports"], draw.follow(seed, drawn.incidents, edges, quiet))
    effect = effects.of_gamedays(how.effects)
    written, unwritten, prevented = draw.happen(seed, told, how, effect, {s.name: s.team for s in known})
    moves = deployments.migrations(rngs["deployments"], known)
    happened = sorted([*written, *unwritten], key=lambda i: i.number)
    final = World(
        seed=seed,
        services=known,
        incidents=tuple(written),
        unwritten=tuple(unwritten),
        prevented=tuple(prevented),
        duplicates=planting.duplicates(seed, written),
        gaps=_gaps(known),
        limits=limits.draw(rngs["limits"], known),
        edges=edges if how.hidden_edges else (),
        migrations=moves,
        deployments=deployments.draw(rngs["deployments"], known, moves, happened),
        cell_rates=drawn.cell_rates,
    )
    recordings = tuple(gamedays.record(final, rngs["gamedays"], name) for name in gamedays.DAYS)
    return Truth(world, size, how, final, effect, labels.draw(seed, written), recordings)


def _gaps(known: tuple[marketplace.Service, ...]) -> tuple[Gap, ...]:
    """Two days on which the agents of two teams sent nothing, and a night on which nothing at all was kept."""
    agents = tuple(s.name for s in known if s.team in ("supply", "pricing"))
    return (
        Gap("null", datetime(2019, 10, 8, 6, tzinfo=UTC), datetime(2019, 10, 10, 15, tzinfo=UTC), agents),
        Gap(
            "absent",
            datetime(2020, 8, 19, 21, tzinfo=UTC),
            datetime(2020, 8, 20, 4, tzinfo=UTC),
            tuple(s.name for s in known),
        ),
    )


def _incident(incident: Incident) -> dict[str, Any]:
    """True times, and under `recorded` what the report says where that is something else."""
    written = [m for m in MOMENTS if incident.recorded(m) is not None]
    if incident.style == STYLES[2]:
        written.remove("acknowledged")  # this house does not write it down
    return {
        "number": incident.number,
        "incident_id": incident.incident_id or None,
        "failure_class": incident.failure_class,
        "second_class": incident.second_class,
        "severity": f"SEV{incident.severity}",
        "services": list(incident.services),
        "teams": list(incident.teams),
        "detected_by": incident.found_by,
        "over_hidden_edge_to": incident.follower,
        "started": stamp(incident.started),
        "detected": stamp(incident.detected),
        "acknowledged": stamp(incident.acknowledged),
        "mitigated": stamp(incident.mitigated),
        "resolved": stamp(incident.ended),
        "report_holds": [m for m in written if incident.recorded(m) == incident.at(m)],
        "recorded": {m: stamp(incident.recorded(m)) for m in written if incident.recorded(m) != incident.at(m)},
        "style": incident.style,
        "hand": incident.hand,
        "cause_stated": incident.cause_stated,
        "stated_off_min": incident.stated_off_min,
    }  # fmt: skip


def _services(known: World) -> list[dict[str, Any]]:
    moved = {m.service: m for m in known.migrations}
    return [
        {
            "service": s.name,
            "team": s.team,
            "tier": s.tier,
            "calls": list(s.calls),
            "growth_pct_per_year": round(s.growth * 100, 1),
            "limit_rps": limit.rps,
            "limit_follows_growth": limit.follows,
            **dict(zip(("saturates_on", "trend_saturates_on"), map(_day, limits.saturates(limit, s)), strict=True)),
            "on_kubernetes_from": stamp(moved[s.name].at),
            "p95_factor_on_kubernetes": moved[s.name].p95,
        }
        for s, limit in zip(known.services, known.limits, strict=True)
    ]  # fmt: skip


def _day(day: date | None) -> str | None:
    return None if day is None else str(day)


def _edge(known: World, edge: graph.HiddenEdge) -> dict[str, Any]:
    both = [
        i.incident_id
        for i in known.incidents
        if i.services[0] == edge.service and i.follower == edge.follower
    ]
    return {**asdict(edge), "incidents": both}  # fmt: skip


def _gameday(changed: Effects, name: str, since: datetime, times: float) -> dict[str, Any]:
    cells = [
        {
            "experiment_key": c.experiment_key,
            "failure_class": c.failure_class,
            "service": c.service,
            "rate_factor": c.rate,
            "detect_factor": c.detect,
        }
        for c in changed.cells
        if c.gameday_id == name
    ]
    held_on = since.astimezone(ZONE).date()
    return {
        "gameday_id": name,
        "held_on": str(held_on),
        "effective_from": stamp(since),
        "detect_factor": times,
        "cells": cells,
    }


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
