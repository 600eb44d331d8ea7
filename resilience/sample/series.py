"""Two years by the hour: what each service carried, with noise, limits, incidents and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from . import graph, limits, saved, traffic
from .world import FIRST, LAST, Incident, World

HITS = saved.Query("trace.http.request.hits", "request", "sum", 0)
P95 = saved.Query("trace.http.request.duration.p95", "second", "avg", 3)
CPU = saved.Query("container.cpu.usage.pct", "percent", "max", 1)  # on ECS and on Kubernetes alike
ERRORS = saved.Query("trace.http.request.errors.pct", "percent", "avg", 2)
WINDOW_H = 61 * 24  # hours asked for at once, below the API's limit of 1500 points

_DEPTH = {1: 0.65, 2: 0.35, 3: 0.12, 4: 0.03}  # share of traffic that an incident takes away
_SLOWER = {1: 3.0, 2: 1.8, 3: 0.8, 4: 0.3}  # how much slower it makes answers
_FROM_CALLERS = 0.3  # share of its callers' own wobble that a service feels


@dataclass(frozen=True)
class Hours:
    """Tables (services, hours): requests per hour, p95 in s, CPU in %. NaN where nothing is known."""

    hits: np.ndarray
    p95: np.ndarray
    cpu: np.ndarray


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float, rho: float) -> np.ndarray:
    """AR(1) noise on the log scale, (series, times), with marginal standard deviation `sigma`."""
    shocks = rng.normal(0.0, sigma * np.sqrt(1 - rho**2), shape)
    shocks[:, 0] /= np.sqrt(1 - rho**2)
    for t in range(1, shape[1]):  # over times: each step is one vector over all series
        shocks[:, t] += rho * shocks[:, t - 1]
    return shocks


def calm(world: World, rng: np.random.Generator) -> Hours:
    """The hours as they would be without any incident: noise that callers pass on, hidden edges, and limits."""
    clock = traffic.Clock.of(np.arange(FIRST.timestamp(), LAST.timestamp(), 3600))
    middle = traffic.Clock.of(np.arange(FIRST.timestamp(), LAST.timestamp(), 3600) + 1800)
    shape = (len(world.services), len(clock.day))
    row = {s.name: i for i, s in enumerate(world.services)}
    wobble = noise(rng, shape, 0.035, 0.6)
    wobble += _FROM_CALLERS * graph.callers_share(world.services) @ wobble
    wobble += noise(rng, (1, shape[1]), 0.03, 0.95)  # the weather, television: everybody feels it
    p95_noise, cpu_noise, at_limit = (
        noise(rng, shape, s, r) for s, r in ((0.06, 0.3), (0.05, 0.2), (0.01, 0))
    )
    if world.edges:  # drawn last, so that a world without them is the same but for them
        together = noise(rng, (len(world.edges), shape[1]), 1.0, 0.6)
        for edge, shared in zip(world.edges, together, strict=True):
            wobble[row[edge.service]] += edge.sigma * shared
            wobble[row[edge.follower]] += edge.sigma * np.roll(shared, edge.lag_h)
    asked = np.stack([traffic.load(s, middle) for s in world.services]) * np.exp(wobble)
    most = np.stack([limits.carried(e, s, clock) for e, s in zip(world.limits, world.services, strict=True)])
    used = np.minimum(asked / most, 1.3)
    served = np.minimum(asked, most * np.exp(at_limit))
    p95 = np.array([s.p95_s for s in world.services])[:, None] * (1 + 0.6 * used**3) * np.exp(p95_noise)
    for move in world.migrations:
        p95[row[move.service], hour(move.at) :] *= move.p95
    return Hours(served * 3600, p95, np.clip((7 + 86 * used) * np.exp(cpu_noise), 0, 100))


def apply(world: World, hours: Hours) -> None:
    """Lets traffic fall and latency rise in place while incidents last, by the share of each hour that they cover."""
    row = {s.name: i for i, s in enumerate(world.services)}
    for incident in world.happened:
        start = (incident.started - FIRST).total_seconds() / 3600
        end = ((incident.mitigated or LAST) - FIRST).total_seconds() / 3600
        first, last = int(start), min(int(np.ceil(end)), hours.hits.shape[1])
        edges = np.arange(first, last)
        covered = np.clip(np.minimum(end, edges + 1) - np.maximum(start, edges), 0, 1)
        for name in incident.services:
            at = (row[name], slice(first, last))
            lost, slower = felt(incident, name)
            hours.hits[at] *= 1 - lost * covered
            hours.p95[at] *= 1 + slower * covered
            hours.cpu[at] *= 1 - lost * covered * 0.9
            if incident.failure_class == "capacity":
                share = 1.0 if name == incident.services[0] else 0.5
                hours.cpu[at] = np.maximum(hours.cpu[at], 97 * (covered > 0.5) * share)


def felt(incident: Incident, service: str) -> tuple[float, float]:
    """Share of traffic that `service` loses in the incident, and how much slower it gets (1: twice as slow)."""
    if incident.outage:
        return 1.0, _SLOWER[incident.severity]
    share = 1.0 if service == incident.services[0] else 0.5
    return share * _DEPTH[incident.severity], share * _SLOWER[incident.severity]


def hour(at: datetime) -> int:
    """Whole hours from FIRST to `at`."""
    return int((at - FIRST).total_seconds() // 3600)


def measured(world: World, hours: Hours) -> tuple[Hours, np.ndarray]:
    """What monitoring shows of `hours`: whole requests, no latency without any, nulls; and which hours came back."""
    hits = np.round(hours.hits)
    seen = Hours(hits, np.where(hits == 0, np.nan, hours.p95), hours.cpu.copy())
    row = {s.name: i for i, s in enumerate(world.services)}
    kept = np.ones(hits.shape[1], dtype=bool)
    for gap in world.gaps:
        covered = slice(hour(gap.start), hour(gap.end))
        if gap.how == "absent":
            kept[covered] = False
        else:
            for table in (seen.hits, seen.p95, seen.cpu):
                table[[row[name] for name in gap.services], covered] = np.nan
    return seen, kept


def write(folder: Path, world: World, hours: Hours) -> None:
    """Writes the hours as v2 responses of 61 days and one metric each."""
    seen, kept = measured(world, hours)
    tags: list[tuple[str, ...]] = [(f"service:{s.name}",) for s in world.services]
    for query, table, label in (
        (HITS, seen.hits, "hits"),
        (P95, seen.p95, "latency-p95"),
        (CPU, seen.cpu, "cpu"),
    ):
        for begin in range(0, len(kept), WINDOW_H):
            part = slice(begin, min(begin + WINDOW_H, len(kept)))
            first = FIRST + timedelta(hours=begin)
            path = folder / f"{label}-1h-{first:%Y-%m-%d}.json"
            saved.v2(path, [(query, tags, table[:, part])], first, 3600, kept[part])
