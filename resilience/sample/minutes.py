"""The minutes around every incident that has a report, in agreement with the hours of the same time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from . import saved, traffic
from .gamedays import Recording, production
from .series import ERRORS, HITS, P95, Hours, felt, hour, noise
from .world import FIRST, HOUR, LAST, Incident, World, own

AROUND = HOUR  # before the start and after the mitigation
LONGEST_H = 8  # of a long incident only the beginning was kept
_ERRORS = {1: 26.0, 2: 11.0, 3: 3.5, 4: 1.2}  # percent of requests that fail because of an incident
_RAMP = {"capacity": 15, "datastore": 8, "hardware-power": 1}  # minutes until an incident is felt in full
_ROUGH = ((0.03, 0.5), (0.06, 0.4), (0.35, 0.3))  # noise of hits, p95 and errors: sigma and lag-1 correlation


@dataclass(frozen=True)
class Minutes:
    """One service: `hours` since FIRST that were recorded, and tables (hours, 60) of hits, p95 in s and errors in %."""

    hours: np.ndarray
    hits: np.ndarray
    p95: np.ndarray
    errors: np.ndarray


def window(incident: Incident) -> range:
    """Hours since FIRST that were recorded by the minute around `incident`."""
    first = max(hour(incident.started - AROUND), 0)
    end = hour((incident.mitigated or LAST) + AROUND + HOUR - timedelta(seconds=1))
    return range(first, min(end, first + LONGEST_H, hour(LAST)))


def around(world: World, calm: Hours) -> dict[str, Minutes]:
    """Minutes of each service within the windows of its incidents, equal wherever two windows overlap."""
    wanted: dict[str, set[int]] = {}
    for incident in world.incidents:
        for name in incident.services:
            wanted.setdefault(name, set()).update(window(incident))
    found = {}
    for number, service in enumerate(world.services):
        if service.name not in wanted:
            continue
        hours = np.array(sorted(wanted[service.name]))
        rng = own(world.seed, number, 3)
        seconds = FIRST.timestamp() + 3600.0 * hours[:, None] + 60.0 * np.arange(60)
        shape = traffic.load(service, traffic.Clock.of(seconds.ravel() + 30)).reshape(seconds.shape)
        shape /= shape.mean(axis=1, keepdims=True)
        rough = [noise(rng, (1, seconds.size), *how).reshape(seconds.shape) for how in _ROUGH]
        found[service.name] = Minutes(
            hours,
            calm.hits[number, hours][:, None] / 60 * shape * np.exp(rough[0]),
            calm.p95[number, hours][:, None] * np.exp(rough[1]),
            np.clip(0.18 * np.exp(rough[2]), 0.02, 0.7),
        )
    for incident in world.happened:
        for name in incident.services:
            if name in found:
                _apply(incident, name, found[name])
    return {name: _as_measured(table) for name, table in found.items()}


def _apply(incident: Incident, service: str, table: Minutes) -> None:
    minute = table.hours[:, None] * 60 + np.arange(60)
    begin, end = (
        (at - FIRST) / timedelta(minutes=1) for at in (incident.started, incident.mitigated or LAST)
    )
    ramp = 1 if incident.outage else _RAMP.get(incident.failure_class, 3)
    strength = np.clip((minute - begin + 1) / ramp, 0, 1) * ((minute >= begin) & (minute < end))
    lost, slower = felt(incident, service)
    share = 1.0 if service == incident.services[0] else 0.5
    table.hits[...] *= 1 - lost * strength
    table.p95[...] *= 1 + slower * strength
    table.errors[...] = np.minimum(table.errors + share * _ERRORS[incident.severity] * strength, 100)


def _as_measured(table: Minutes) -> Minutes:
    """Whole requests; no latency and no share of errors without any."""
    hits = np.round(table.hits)
    none = hits == 0
    return Minutes(table.hours, hits, np.where(none, np.nan, table.p95), np.where(none, np.nan, table.errors))


def agree(world: World, hours: Hours, tables: dict[str, Minutes], recording: Recording) -> None:
    """Hours that were also recorded by the minute show the same, in place: sums of hits, means of latency."""
    row = {s.name: i for i, s in enumerate(world.services)}
    for name, table in tables.items():
        _fold(hours, row[name], table.hours, table.hits, table.p95)
    for name, (hits, p95) in production(recording).items():
        first = hour(recording.first)
        _fold(
            hours,
            row[name],
            np.arange(first, first + len(hits) // 60),
            hits.reshape(-1, 60),
            p95.reshape(-1, 60),
        )


def _fold(hours: Hours, row: int, at: np.ndarray, hits: np.ndarray, p95: np.ndarray) -> None:
    hours.hits[row, at] = hits.sum(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an hour without any request has no latency
        hours.p95[row, at] = np.nanmean(p95, axis=1)


def write(folder: Path, world: World, tables: dict[str, Minutes]) -> None:
    """One v2 response per incident with hits, p95 and errors of its services; the telemetry gaps are gaps here too."""
    for incident in world.incidents:
        hours = np.array(window(incident))
        kept = np.ones(len(hours), dtype=bool)
        parts: dict[str, list[np.ndarray]] = {"hits": [], "p95": [], "errors": []}
        for name in incident.services:
            table = tables[name]
            at = np.searchsorted(table.hours, hours)
            dark = np.zeros(len(hours), dtype=bool)
            for gap in world.gaps:
                inside = (hours >= hour(gap.start)) & (hours < hour(gap.end))
                kept &= ~inside if gap.how == "absent" else True
                dark |= inside & (gap.how == "null" and name in gap.services)
            for key, values in parts.items():
                values.append(np.where(dark[:, None], np.nan, getattr(table, key)[at]).ravel())
        if not kept.any():
            continue  # nothing was measured at all
        tags: list[tuple[str, ...]] = [(f"service:{name}",) for name in incident.services]
        asked: list[saved.Asked] = [
            (query, tags, np.stack(parts[key]))
            for query, key in ((HITS, "hits"), (P95, "p95"), (ERRORS, "errors"))
        ]
        first = FIRST + HOUR * int(hours[0])
        saved.v2(folder / f"incident-{incident.incident_id}-1m.json", asked, first, 60, np.repeat(kept, 60))
