"""Two years of traffic: what each service carried hour by hour, with seasons, growth, incidents and gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from . import saved
from .marketplace import Service
from .world import FIRST, LAST, Incident, World, black_friday, local_fields

HITS = saved.Query("trace.http.request.hits", "request", "sum", 0)
P95 = saved.Query("trace.http.request.duration.p95", "second", "avg", 3)
CPU = saved.Query("kubernetes.cpu.usage.pct", "percent", "max", 1)
WINDOW_H = 61 * 24  # hours asked for at once, below the API's limit of 1500 points

# Share of the mean at each local hour.
_CURVES = {
    "page": [0.46, 0.27, 0.16, 0.11, 0.10, 0.14, 0.31, 0.56, 0.82, 1.02, 1.14, 1.20,
             1.24, 1.22, 1.17, 1.17, 1.22, 1.30, 1.40, 1.58, 1.74, 1.66, 1.24, 0.79],
    "office": [0.08, 0.06, 0.05, 0.05, 0.07, 0.15, 0.45, 1.10, 1.95, 2.30, 2.35, 2.20,
               1.70, 1.95, 2.15, 2.05, 1.75, 1.20, 0.75, 0.55, 0.45, 0.35, 0.22, 0.12],
    "machine": [1.05, 1.25, 1.70, 1.85, 1.40, 1.00, 0.85, 0.85, 0.92, 0.98, 1.00, 1.00,
                0.98, 0.96, 0.95, 0.95, 0.95, 0.95, 0.93, 0.90, 0.88, 0.86, 0.88, 0.96],
}  # fmt: skip
_WEEK = {
    "page": [1.05, 1.0, 0.98, 0.98, 0.93, 0.92, 1.14],
    "office": [1.30, 1.28, 1.25, 1.22, 1.10, 0.45, 0.40],
    "machine": [1.02, 1.02, 1.02, 1.02, 1.02, 0.95, 0.95],
}
_DEPTH = {1: 0.65, 2: 0.35, 3: 0.12, 4: 0.03}  # share of traffic that an incident takes away
_SLOWER = {1: 3.0, 2: 1.8, 3: 0.8, 4: 0.3}  # how much slower it makes answers


@dataclass(frozen=True)
class Minutes:
    """Values per minute of one production service, from `first` on: they replace what the hours would show."""

    first: datetime
    hits: dict[str, np.ndarray]
    p95: dict[str, np.ndarray]


def load(service: Service, seconds: np.ndarray) -> np.ndarray:
    """Requests per second expected at UTC `seconds`: local day, week and year, events, and growth. No noise."""
    weekday, hour, day = local_fields(seconds)
    curve = np.array(_CURVES[service.kind])
    daily = np.interp(hour + 0.0, np.arange(25), np.r_[curve, curve[0]]) / curve.mean()
    weekly = np.array(_WEEK[service.kind])[weekday]
    years = (seconds - FIRST.timestamp()) / (365.25 * 86400)
    of_year = (years + 151 / 365.25) % 1.0  # FIRST is the 152nd day of its year
    yearly = 1 + 0.10 * np.cos(2 * np.pi * (of_year - 0.93))
    events = _events(day) ** {"page": 1.0, "machine": 0.5, "office": 0.25}[service.kind]
    return service.rps * daily * weekly * yearly * events * (1 + service.growth) ** years


def _events(day: np.ndarray) -> np.ndarray:
    """Factor of sales and holidays by ordinal of the local date."""
    factor = np.ones(len(day))
    for year in (2019, 2020, 2021):
        rush = black_friday(year).toordinal()
        factor[(day >= rush - 4) & (day < rush)] *= 1.25
        factor[day == rush] *= 2.5
        factor[(day > rush) & (day < rush + 3)] *= 1.7
        factor[day == rush + 3] *= 2.0
        factor[(day >= rush + 4) & (day < date(year, 12, 21).toordinal())] *= 1.25
        factor[(day >= date(year, 12, 24).toordinal()) & (day <= date(year, 12, 26).toordinal())] *= 0.55
        for month, first, last in ((1, 2, 4), (7, 1, 3), (9, 18, 20)):  # winter, summer and birthday sales
            factor[
                (day >= date(year, month, first).toordinal()) & (day <= date(year, month, last).toordinal())
            ] *= 1.4
    return factor


def capacity(service: Service, seconds: np.ndarray) -> np.ndarray:
    """Requests per second at which the service saturates: tier 1 is enlarged twice a year, before peaks everybody is."""
    steps = np.floor((seconds - FIRST.timestamp()) / (182 * 86400))
    grown = (1 + service.growth) ** (steps / 2) if service.tier == 1 else np.ones(len(seconds))
    _, _, day = local_fields(seconds)
    for year in (2019, 2020):
        rush = black_friday(year).toordinal()
        grown = np.where((day >= rush - 10) & (day < date(year, 12, 27).toordinal()), grown * 1.8, grown)
    return 4.2 * service.rps * grown


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float, rho: float) -> np.ndarray:
    """AR(1) noise on the log scale, (series, times), with marginal standard deviation `sigma`."""
    shocks = rng.normal(0.0, sigma * np.sqrt(1 - rho**2), shape)
    shocks[:, 0] /= np.sqrt(1 - rho**2)
    for t in range(1, shape[1]):  # over times: each step is one vector over all series
        shocks[:, t] += rho * shocks[:, t - 1]
    return shocks


def hourly(world: World, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """`hits` (requests per hour), `p95` (s) and `cpu` (%), each (services, hours); NaN where nothing was measured."""
    seconds = np.arange(FIRST.timestamp(), LAST.timestamp(), 3600)
    shape = (len(world.services), len(seconds))
    wobble = noise(rng, shape, 0.035, 0.6) + noise(rng, (1, shape[1]), 0.03, 0.95)
    rate = np.stack([load(s, seconds + 1800) for s in world.services]) * np.exp(wobble)
    used = rate / np.stack([capacity(s, seconds) for s in world.services])
    base = np.array([s.p95_s for s in world.services])[:, None]
    p95 = base * (1 + 0.6 * used**3) * np.exp(noise(rng, shape, 0.06, 0.3))
    cpu = (7 + 86 * used) * np.exp(noise(rng, shape, 0.05, 0.2))
    hits = rate * 3600
    row = {s.name: i for i, s in enumerate(world.services)}
    for incident in world.incidents:
        _apply(incident, row, hits, p95, cpu)
    hits = np.round(hits)
    p95 = np.where(hits == 0, np.nan, p95)  # no request has no latency
    return {"hits": hits, "p95": p95, "cpu": np.clip(cpu, 0, 100)}


def _apply(
    incident: Incident, row: dict[str, int], hits: np.ndarray, p95: np.ndarray, cpu: np.ndarray
) -> None:
    """Lets traffic fall and latency rise while the incident lasts, by the share of each hour that it covers."""
    start = (incident.started - FIRST).total_seconds() / 3600
    end = ((incident.mitigated or LAST) - FIRST).total_seconds() / 3600
    first, last = int(start), min(int(np.ceil(end)), hits.shape[1])
    edges = np.arange(first, last)
    covered = np.clip(np.minimum(end, edges + 1) - np.maximum(start, edges), 0, 1)
    for place, name in enumerate(incident.services):
        felt = 1.0 if place == 0 or incident.outage else 0.5
        at = (row[name], slice(first, last))
        depth = 1.0 if incident.outage else felt * _DEPTH[incident.severity]
        hits[at] *= 1 - depth * covered
        p95[at] *= 1 + felt * _SLOWER[incident.severity] * covered
        cpu[at] *= 1 - depth * covered * 0.9
        if incident.failure_class == "capacity":
            cpu[at] = np.maximum(cpu[at], 97 * (covered > 0.5) * felt)


def write_hourly(folder: Path, world: World, values: dict[str, np.ndarray], minutes: list[Minutes]) -> int:
    """Writes the hours as v2 responses of 61 days each; returns how many files."""
    hours = values["hits"].shape[1]
    names = [s.name for s in world.services]
    row = {name: i for i, name in enumerate(names)}
    for day in minutes:
        _agree(day, row, values)
    kept = np.ones(hours, dtype=bool)
    for gap in world.gaps:
        covered = slice(_hour(gap.start), _hour(gap.end))
        if gap.how == "absent":
            kept[covered] = False
        else:
            rows = [row[name] for name in gap.services]
            for table in values.values():
                table[rows, covered] = np.nan
    files = 0
    for query, key, label in ((HITS, "hits", "hits"), (P95, "p95", "latency-p95"), (CPU, "cpu", "cpu")):
        for begin in range(0, hours, WINDOW_H):
            end = min(begin + WINDOW_H, hours)
            first = FIRST + timedelta(hours=begin)
            asked: list[saved.Asked] = [
                (query, [(f"service:{name}",) for name in names], values[key][:, begin:end])
            ]
            saved.v2(folder / f"{label}-1h-{first:%Y-%m-%d}.json", asked, first, 3600, kept[begin:end])
            files += 1
    return files


def _hour(at: datetime) -> int:
    return int((at - FIRST).total_seconds() // 3600)


def _agree(day: Minutes, row: dict[str, int], values: dict[str, np.ndarray]) -> None:
    """Hours that were also recorded by the minute show the same: sums of hits, means of latency."""
    begin = _hour(day.first)
    fold: list[tuple[str, dict[str, np.ndarray], Callable[..., np.ndarray]]] = [
        ("hits", day.hits, np.sum), ("p95", day.p95, np.mean)
    ]  # fmt: skip
    for key, tables, how in fold:
        for name, minute in tables.items():
            folded = how(minute.reshape(-1, 60), axis=1)
            values[key][row[name], begin : begin + len(folded)] = folded
