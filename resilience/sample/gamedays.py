"""The two GameDays: their files, and minute by minute what the metrics showed while somebody broke things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from . import saved, series, traffic
from .marketplace import Service
from .world import HOUR, ZONE, World

VACCINE, CHAOTIC = "vaccine-our-system-2020-12", "chaotic-commencement-2021-05"
DAYS = (VACCINE, CHAOTIC)
QUEUE = "queue:price-updates"
READY = saved.Query("queue.messages.ready", "message", "max", 0, ("queue",), QUEUE)
RATE = saved.Query("queue.messages.rate", "message", "avg", 1, ("queue",), QUEUE)
PUBLISHED = 20_000 / 300  # messages per second
DRAIN = 165.0  # messages per second that all consumers manage together

# Who was recorded by the minute. Payments has no agent in the isolated accounts.
_PRODUCTION = (
    "api-gateway", "search", "search-indexer", "product-page", "product-listing-page", "recommendations", "inventory",
    "catalog", "price-sync", "pricing-rules", "cart", "checkout", "order-service", "payments", "payment-proxy",
    "fraud-check", "notification", "login",
)  # fmt: skip
_STAGING = ("staging/login", "staging/customer-profile")
_ISOLATED = (
    "api-gateway", "search", "product-page", "recommendations", "cart", "checkout", "login", "seller-onboarding"
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """What an experiment does to one metric of one service between two minutes after its fault began.

    `times` multiplies and `plus` adds, rising and falling over `ramp` minutes.
    """

    service: str
    metric: str  # hits, p95 or errors
    start: int
    end: int
    times: float = 1.0
    plus: float = 0.0
    ramp: int = 1


# What the stories tell, in numbers. Keys: GameDay, experiment.
_EFFECTS: dict[tuple[str, str], tuple[Effect, ...]] = {
    (VACCINE, "payment-provider-slow"): (
        Effect("payment-proxy", "p95", 0, 20, plus=3.0),
        Effect("payments", "p95", 0, 20, times=1.2, plus=2.9),
        Effect("payments", "errors", 2, 16, plus=11.0, ramp=2),
        Effect("checkout", "p95", 1, 17, times=1.4, plus=2.6, ramp=2),
        Effect("checkout", "errors", 3, 16, plus=8.5, ramp=2),
        Effect("order-service", "hits", 2, 20, times=0.62, ramp=3),
        Effect("cart", "hits", 3, 18, times=1.12, ramp=3),
    ),
    (VACCINE, "zone-lost"): (
        Effect("search", "p95", 0, 12, times=1.22, ramp=3),
        Effect("search", "errors", 0, 3, plus=0.6),
        Effect("product-listing-page", "p95", 0, 11, times=1.10, ramp=3),
    ),
    (VACCINE, "token-lifetime-flag"): (
        Effect("staging/login", "errors", 1, 20, plus=17.0, ramp=2),
        Effect("staging/login", "hits", 1, 20, times=4.0, ramp=3),
        Effect("staging/customer-profile", "hits", 1, 20, times=2.2, ramp=3),
        Effect("staging/customer-profile", "p95", 1, 20, times=1.35, ramp=3),
    ),
    (VACCINE, "price-sync-stopped"): (
        Effect("price-sync", "hits", 0, 20, times=0.08),
        Effect("search-indexer", "hits", 0, 20, times=0.25, ramp=2),
        Effect("price-sync", "hits", 20, 34, times=2.3),
        Effect("search-indexer", "hits", 20, 35, times=1.9),
        Effect("search", "p95", 21, 35, times=1.08, ramp=2),
        Effect("product-listing-page", "p95", 12, 21, times=1.07, ramp=2),
        Effect("pricing-rules", "hits", 12, 21, times=1.35, ramp=2),
    ),
    (CHAOTIC, "asg-instances-terminated"): (
        Effect("search", "p95", 0, 22, times=1.18, ramp=6),
        Effect("search", "errors", 0, 15, plus=0.3, ramp=3),
    ),
    (CHAOTIC, "ecs-bad-task-definition"): (
        Effect("checkout", "errors", 2, 28, plus=14.0, ramp=4),
        Effect("checkout", "p95", 2, 28, times=1.7, ramp=4),
        Effect("cart", "hits", 4, 28, times=0.85, ramp=4),
    ),
    (CHAOTIC, "zone-lost"): (
        Effect("product-page", "p95", 0, 30, times=3.1, ramp=3),
        Effect("product-page", "errors", 1, 30, plus=5.5, ramp=3),
        Effect("api-gateway", "p95", 0, 30, times=1.6, ramp=3),
        Effect("recommendations", "hits", 20, 30, times=0.6, ramp=3),
    ),
    (CHAOTIC, "credentials-rotated"): (Effect("checkout", "errors", 0, 30, plus=9.0, ramp=2),),
    (CHAOTIC, "access-key-leaked"): (),
}

# What an honest analysis must find, and nothing else.
VERDICTS: dict[tuple[str, str], str] = {
    (VACCINE, "payment-provider-slow"): "deviated",
    (VACCINE, "zone-lost"): "held",
    (VACCINE, "token-lifetime-flag"): "deviated",
    (VACCINE, "price-sync-stopped"): "held",
    (CHAOTIC, "asg-instances-terminated"): "held",
    (CHAOTIC, "ecs-bad-task-definition"): "deviated",
    (CHAOTIC, "zone-lost"): "deviated",
    (CHAOTIC, "credentials-rotated"): "inconclusive",
    (CHAOTIC, "access-key-leaked"): "held",
}


def text(gameday: str) -> str:
    """The gameday.yml as its people wrote it."""
    return resources.files(__package__).joinpath("stories", f"{gameday}.yml").read_text(encoding="utf-8")


@cache
def story(gameday: str) -> dict[str, Any]:
    return yaml.safe_load(text(gameday))  # our own file, not a user's


def quiet() -> dict[date, list[str]]:
    """Local dates on which the services that were watched had no incident of their own."""
    return {story(VACCINE)["date"]: list(_PRODUCTION)}


def faults(gameday: str) -> Iterator[tuple[str, datetime, datetime]]:
    """Experiment key, start and end of its fault in UTC."""
    day = story(gameday)
    for experiment in day["experiments"]:
        start, end = (_at(day["date"], experiment["fault"][edge]) for edge in ("started", "ended"))
        yield experiment["experiment_key"], start, end


def _at(day: date, clock: str) -> datetime:
    return datetime.combine(day, datetime.strptime(clock, "%H:%M").time(), ZONE).astimezone(UTC)


@dataclass(frozen=True)
class Recording:
    """One GameDay by the minute: tables (services, minutes) of hits, p95 in s and errors in %, and the queue."""

    gameday: str
    first: datetime
    names: tuple[str, ...]
    hits: np.ndarray
    p95: np.ndarray
    errors: np.ndarray
    ready: np.ndarray | None = None
    rate: np.ndarray | None = None


def record(world: World, rng: np.random.Generator, gameday: str) -> Recording:
    """What was measured from an hour before the GameDay to an hour after it."""
    day = story(gameday)
    first, end = _at(day["date"], day["starts"]) - HOUR, _at(day["date"], day["ends"]) + HOUR
    first = first.replace(minute=0)
    end = end if not end.minute else (end + HOUR).replace(minute=0)
    minutes = int((end - first) / timedelta(minutes=1))
    seconds = first.timestamp() + 60.0 * np.arange(minutes)
    names = _PRODUCTION + _STAGING if gameday == VACCINE else _ISOLATED
    known = [world.service(name.removeprefix("staging/")) for name in names]
    rate = np.stack(
        [_rate(gameday, name, service, seconds) for name, service in zip(names, known, strict=True)]
    )
    shape = rate.shape
    hits = rate * 60 * np.exp(series.noise(rng, shape, 0.025, 0.5))
    p95 = np.array([s.p95_s for s in known])[:, None] * np.exp(series.noise(rng, shape, 0.05, 0.4))
    if gameday == CHAOTIC:  # smaller machines, and they get busier
        p95 = p95 * np.linspace(1.0, 1.12, minutes)
    errors = np.clip(0.18 * np.exp(series.noise(rng, shape, 0.35, 0.3)), 0.02, 0.7)
    tables = {"hits": hits, "p95": p95, "errors": errors}
    for key, start, _ in faults(gameday):
        offset = int((start - first) / timedelta(minutes=1))
        for effect in _EFFECTS[gameday, key]:
            row = tables[effect.metric][names.index(effect.service)]
            shaped = _envelope(minutes, offset + effect.start, offset + effect.end, effect.ramp)
            row *= 1 + (effect.times - 1) * shaped
            row += effect.plus * shaped
    ready, sent = _queue(rng, first, minutes) if gameday == VACCINE else (None, None)
    return Recording(gameday, first, names, np.round(hits), p95, np.clip(errors, 0, 100), ready, sent)


def peak_backlog(recording: Recording, experiment_key: str) -> int | None:
    """Most messages that waited because of the experiment; None where no queue was in it."""
    if recording.ready is None or experiment_key != "price-sync-stopped":
        return None
    return int(recording.ready.max())


def _rate(gameday: str, name: str, service: Service, seconds: np.ndarray) -> np.ndarray:
    """Expected requests per second: production's own, a steady test load on staging, a rising one on the isolated day."""
    if name.startswith("staging/"):
        return np.full(len(seconds), 40.0)
    if gameday == VACCINE:
        return traffic.load(service, traffic.Clock.of(seconds))
    share = (
        service.rps / 240.0
    )  # six accounts together; 40 searches per second in the morning, 220 in the end
    return share * np.linspace(40.0, 220.0, len(seconds))


def _envelope(count: int, start: int, end: int, ramp: int) -> np.ndarray:
    """0 outside [start, end), 1 inside, with straight flanks of `ramp` minutes inside of it."""
    t = np.arange(count)
    return np.clip(np.minimum((t - start + 1) / ramp, (end - t) / ramp), 0, 1)


def _queue(rng: np.random.Generator, first: datetime, minutes: int) -> tuple[np.ndarray, np.ndarray]:
    """Messages waiting (largest of each minute) and messages published per second."""
    published = PUBLISHED * np.exp(series.noise(rng, (1, minutes), 0.02, 0.3)[0])
    ((stop, start),) = [(a, b) for key, a, b in faults(VACCINE) if key == "price-sync-stopped"]
    waiting = np.zeros(minutes)
    left = 0.0
    usual = rng.uniform(120, 420, minutes)  # in flight while consumers keep up
    for t in range(minutes):
        now = first + timedelta(minutes=t)
        if stop <= now < start:
            waiting[t] = left = left + published[t] * 60
        else:
            waiting[t], left = left, max(0.0, left - (DRAIN - published[t]) * 60)
        waiting[t] += usual[t]
    return np.round(waiting), published


def write(folder: Path, recording: Recording) -> None:
    """Writes gameday.yml under `folder`/gamedays and the recorded minutes as v1 and v2 responses under `folder`/series."""
    home = folder / "gamedays" / recording.gameday
    home.mkdir(parents=True, exist_ok=True)
    (home / "gameday.yml").write_bytes(text(recording.gameday).encode())
    out = folder / "series"
    keep = np.ones(recording.hits.shape[1], dtype=bool)
    staging = np.array([name.startswith("staging/") for name in recording.names])
    tables = ((series.HITS, recording.hits), (series.P95, recording.p95), (series.ERRORS, recording.errors))
    for env, rows in (
        ("staging", staging),
        ("prod" if recording.gameday == VACCINE else "gameday-2021", ~staging),
    ):
        if not rows.any():
            continue
        tags = [_tags(env, name) for name, used in zip(recording.names, rows, strict=True) if used]
        asked = [(_where(query, env), tags, table[rows]) for query, table in tables]
        saved.v2(out / f"{recording.gameday}-{env}-1m.json", asked, recording.first, 60, keep)
    if recording.ready is not None and recording.rate is not None:
        for query, row, label in ((READY, recording.ready, "ready"), (RATE, recording.rate, "rate")):
            path = out / f"{recording.gameday}-queue-{label}-1m.json"
            saved.v1(path, query, [(QUEUE,)], row[None, :], recording.first, 60)


def _tags(env: str, name: str) -> tuple[str, ...]:
    service = f"service:{name.removeprefix('staging/')}"
    return (service,) if env == "prod" else (f"env:{env}", service)


def _where(query: saved.Query, env: str) -> saved.Query:
    if env == "prod":
        return query
    return saved.Query(
        query.metric, query.unit, query.over_time, query.digits, ("env", "service"), f"env:{env}"
    )


def production(recording: Recording) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Hits and p95 by the minute of the services that were recorded on production."""
    return {
        name: (recording.hits[i], recording.p95[i])
        for i, name in enumerate(recording.names)
        if not name.startswith("staging/")
    }
