"""How much each service can carry, and the date on which its ordinary week needs all of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from .marketplace import Service
from .traffic import Clock, busiest, season
from .world import FIRST, LAST, black_friday

HORIZON = datetime(2024, 6, 1, tzinfo=UTC)  # dates beyond it are not stated
ENLARGED = 1.8  # everybody is, before the season ends the year


@dataclass(frozen=True)
class Limit:
    """`rps`: requests per second that the service can carry. `follows`: it is enlarged twice a year to match its growth.

    `planted`: the limit was chosen so that it is reached near the end of the two years.
    """

    service: str
    rps: float
    follows: bool
    planted: bool


def draw(rng: np.random.Generator, known: tuple[Service, ...], share: float = 0.3) -> tuple[Limit, ...]:
    """A limit per service; a `share` of all is bound to saturate between spring 2020 and the end of 2022."""
    able = [s.name for s in known if s.tier > 1 and s.growth >= 0.08]
    chosen = set(rng.permutation(able)[: round(share * len(known))].tolist())
    first, last = 0.8, 3.5  # years after FIRST
    found = []
    for s in known:
        years = float(rng.uniform(first, last))
        plain = 4.2 * s.rps
        rps = s.rps * busiest(s.kind) * (1 + s.growth) ** years if s.name in chosen else plain
        found.append(Limit(s.name, round(rps, 3), s.tier == 1, s.name in chosen))
    return tuple(found)


def enlargements() -> list[tuple[date, date]]:
    """Local dates, the second exclusive, between which every limit is `ENLARGED` times itself."""
    return [
        (black_friday(year) - timedelta(days=10), date(year, 12, 27)) for year in (FIRST.year, LAST.year - 1)
    ]


def carried(limit: Limit, service: Service, clock: Clock) -> np.ndarray:
    """Requests per second that the service can carry at each time of `clock`."""
    steps = np.floor(clock.years * 365.25 / 182)
    grown = (1 + service.growth) ** (steps / 2) if limit.follows else np.ones(len(clock.years))
    for start, end in enlargements():
        inside = (clock.day >= start.toordinal()) & (clock.day < end.toordinal())
        grown = np.where(inside, grown * ENLARGED, grown)
    return limit.rps * grown


def saturates(limit: Limit, service: Service) -> tuple[date | None, date | None]:
    """First date on which the busiest hour of an ordinary week needs the whole limit: with the season, and by trend alone.

    Sales and enlargements before Christmas do not count. None: not before `HORIZON`, or the limit follows growth.
    """
    if limit.follows:
        return None, None
    days = np.arange((HORIZON - FIRST).days)
    years = days / 365.25
    trend = service.rps * busiest(service.kind) * (1 + service.growth) ** years
    return _first(trend * season(years) >= limit.rps), _first(trend >= limit.rps)


def _first(reached: np.ndarray) -> date | None:
    return FIRST.date() + timedelta(days=int(np.argmax(reached))) if reached.any() else None
