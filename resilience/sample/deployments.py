"""Every release of two years, and the move of each service from ECS to Kubernetes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from .graph import table
from .marketplace import Service
from .world import FIRST, HOUR, LAST, MINUTE, ZONE, Incident, black_friday

_EVERY = {1: 5.0, 2: 9.0, 3: 15.0}  # working days between releases, by tier
_FIRST_MOVE, _LAST_MOVE = date(2019, 10, 1), date(2021, 3, 25)
PLATFORMS = ("ecs", "kubernetes")


@dataclass(frozen=True)
class Migration:
    """`service` runs on Kubernetes from `at` on; its p95 is `p95` times what it was before."""

    service: str
    at: datetime
    p95: float


@dataclass(frozen=True)
class Deployment:
    """One release, rollback or migration. `behind`: number of the incident that this release caused."""

    service: str
    version: str
    started: datetime
    finished: datetime
    kind: str
    platform: str
    behind: int | None = None


def migrations(rng: np.random.Generator, known: tuple[Service, ...]) -> tuple[Migration, ...]:
    """One per service, on a Tuesday to Thursday outside of freezes, what matters least first."""
    days = [d for d in _working_days() if _FIRST_MOVE <= d <= _LAST_MOVE and d.weekday() in (1, 2, 3)]
    order = sorted(known, key=lambda s: -s.tier + float(rng.normal(0, 0.5)))
    picked = sorted(rng.choice(len(days), len(known), replace=len(known) > len(days)))
    return tuple(
        Migration(s.name, _local(days[int(day)], int(rng.integers(540, 900))), round(float(rng.uniform(0.9, 1.1)), 3))
        for s, day in zip(order, picked, strict=True)
    )  # fmt: skip


def draw(
    rng: np.random.Generator,
    known: tuple[Service, ...],
    moves: tuple[Migration, ...],
    incidents: Iterable[Incident],
) -> tuple[Deployment, ...]:
    """All deployments in order of time. Each incident of class `deploy` follows a release that is rolled back."""
    days, moved = _working_days(), {m.service: m.at for m in moves}
    planned: dict[str, list[tuple[datetime, str, int | None]]] = {}
    for s in known:
        count = round(len(days) / _EVERY[s.tier])
        picked, minute = rng.choice(len(days), count, replace=False), rng.integers(555, 1020, count)
        times = [_local(days[int(d)], int(m)) for d, m in zip(picked, minute, strict=True)]
        planned[s.name] = [*((at, "release", None) for at in times), (moved[s.name], "migration", None)]
    for i in incidents:
        if i.failure_class == "deploy" and i.mitigated:
            before = MINUTE * (2 + i.number % 9)
            planned[i.services[0]] += [
                (i.started - before, "release", i.number),
                (i.mitigated - MINUTE, "rollback", None),
            ]
    found = [d for s in known for d in _numbered(s.name, planned[s.name], moved[s.name])]
    return tuple(sorted(found, key=lambda d: (d.started, d.service)))


def _numbered(
    service: str, planned: list[tuple[datetime, str, int | None]], moved: datetime
) -> Iterable[Deployment]:
    """A rollback goes back to the version before the latest; a migration keeps the version."""
    latest = 0
    for at, kind, behind in sorted(planned, key=lambda row: row[0]):
        latest += kind == "release"
        shown = latest - 1 if kind == "rollback" else latest
        platform = PLATFORMS[at >= moved]
        length = HOUR if kind == "migration" else timedelta(seconds=150 + 37 * (latest % 7))
        yield Deployment(
            service, f"{1 + shown // 30}.{shown % 30}.0", at, at + length, kind, platform, behind
        )


def write(folder: Path, deployments: tuple[Deployment, ...]) -> None:
    """One CSV per year, with the fields of Datadog's DORA deployment events."""
    for year in sorted({d.started.year for d in deployments}):
        rows: list[dict[str, object]] = [
            {
                "service": d.service,
                "env": "prod",
                "version": d.version,
                "started_at": f"{d.started:%Y-%m-%dT%H:%M:%S}Z",
                "finished_at": f"{d.finished:%Y-%m-%dT%H:%M:%S}Z",
                "kind": d.kind,
                "platform": d.platform,
                "git_commit_sha": hashlib.sha1(f"{d.service} {d.version}".encode()).hexdigest(),  # noqa: S324
            }
            for d in deployments
            if d.started.year == year
        ]
        table(folder / f"deployments-{year}.csv", rows)


def _working_days() -> list[date]:
    """Days on which releases are allowed: no weekend, no week of Black Friday, not from 23 December to 2 January."""
    every = [FIRST.date() + timedelta(days=n) for n in range((LAST - FIRST).days)]
    return [d for d in every if d.weekday() < 5 and not frozen(d)]


def frozen(day: date) -> bool:
    """Whether nobody may release on `day`."""
    rush = black_friday(day.year)
    return rush - timedelta(days=4) <= day <= rush + timedelta(days=3) or (day.month, day.day) in (
        *((12, d) for d in range(23, 32)), (1, 1), (1, 2)
    )  # fmt: skip


def _local(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(minute // 60, minute % 60), ZONE).astimezone(UTC)
