"""What went wrong in two years: which class of failure, where, when, and who noticed.

Times are UTC. Everything is drawn from one seeded generator in a fixed order, so the same seed gives the same world.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from .marketplace import Service, callers, services

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime(2019, 6, 1, tzinfo=UTC)
LAST = datetime(2021, 6, 1, tzinfo=UTC)  # exclusive
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

# Shares of true classes; they add up to 1.
SHARES = {
    "software-bug": 0.24,
    "config": 0.13,
    "third-party": 0.12,
    "deploy": 0.11,
    "capacity": 0.09,
    "datastore": 0.08,
    "network-dns": 0.06,
    "operator": 0.05,
    "time-limits": 0.05,
    "hardware-power": 0.04,
    "security": 0.03,
}

# How much likelier than elsewhere a class is at a service.
_AFFINITY: dict[str, dict[str, float]] = {
    "third-party": {"payment-proxy": 9, "payments": 6, "shipping-quotes": 6, "notification": 5, "image-cdn": 6,
                    "fraud-check": 4, "login": 2, "tax": 4, "customer-chat": 3},
    "datastore": {"search": 3, "inventory": 4, "order-service": 4, "catalog": 3, "customer-profile": 3, "price-sync": 3},
    "capacity": {"search": 4, "product-listing-page": 3, "cart": 2, "event-bus": 3, "api-gateway": 3, "offer-import": 3},
    "network-dns": {"api-gateway": 5, "image-cdn": 4, "event-bus": 3, "payment-proxy": 3},
    "security": {"login": 8, "seller-onboarding": 4, "payments": 3, "customer-profile": 4, "seller-portal": 3},
    "config": {"feature-flags": 4, "pricing-rules": 4, "api-gateway": 3},
    "time-limits": {"login": 3, "payment-proxy": 3, "invoicing": 3, "vouchers": 3, "seller-portal": 2},
    "hardware-power": {"search": 3, "event-bus": 3, "image-cdn": 2, "order-service": 2},
    "deploy": {"checkout": 2, "product-page": 2, "recommendations": 2},
}  # fmt: skip
_OFFICE_CLASSES = frozenset({"deploy", "operator", "config"})
_TIER_WEIGHT = {1: 3.0, 2: 1.6, 3: 1.0}
_SEVERITY = {1: (0.12, 0.33, 0.38, 0.17), 2: (0.03, 0.20, 0.47, 0.30), 3: (0.0, 0.06, 0.44, 0.50)}
_FOUND = {"monitor": 0.56, "colleague": 0.24, "customer": 0.20}
# Median minutes from start to detection, by who found it, and the spread on the log scale.
_DETECT = {"monitor": (5.0, 1.1), "colleague": (26.0, 1.3), "customer": (60.0, 1.3)}
# Median minutes from detection to mitigation, by class; third parties and data stores take longest.
_MITIGATE = {"third-party": 85.0, "datastore": 80.0, "deploy": 24.0, "config": 35.0, "hardware-power": 60.0}


@dataclass(frozen=True)
class Incident:
    """What really happened. `ended` is None where it was still open at the end of the two years."""

    incident_id: str
    failure_class: str
    second_class: str | None
    severity: int
    services: tuple[str, ...]  # the first is where it began
    teams: tuple[str, ...]
    found_by: str
    started: datetime
    detected: datetime
    acknowledged: datetime
    mitigated: datetime | None
    ended: datetime | None
    outage: bool = False  # traffic was truly zero
    # how it was written down
    style: str = ""
    half: str = ""
    hand: str = ""
    scenario: int = 0
    cause_stated: bool = True
    missing: tuple[str, ...] = ()  # moments that the report does not hold
    stated_off_min: int = 0  # minutes by which the stated recovery is wrong

    def at(self, moment: str) -> datetime | None:
        """When `moment` truly was: started, detected, acknowledged, mitigated or resolved."""
        found: datetime | None = getattr(self, "ended" if moment == "resolved" else moment)
        return found


@dataclass(frozen=True)
class Gap:
    """Hours without telemetry: points that are null, or `absent` altogether."""

    how: str
    start: datetime
    end: datetime
    services: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        return {
            "how": self.how,
            "from": f"{self.start:%Y-%m-%dT%H:%M:%S}Z",
            "to": f"{self.end:%Y-%m-%dT%H:%M:%S}Z",
            "services": list(self.services),
        }


@dataclass(frozen=True)
class World:
    """Everything that is true before anything is written."""

    seed: int
    services: tuple[Service, ...]
    incidents: tuple[Incident, ...]
    gaps: tuple[Gap, ...]

    def service(self, name: str) -> Service:
        return next(s for s in self.services if s.name == name)


def streams(seed: int) -> dict[str, np.random.Generator]:
    """One generator per part, so that a change in one part leaves the others as they were."""
    names = ("services", "incidents", "reports", "labels", "series", "gamedays")
    children = np.random.SeedSequence(seed).spawn(len(names))
    return {
        name: np.random.Generator(np.random.PCG64(child)) for name, child in zip(names, children, strict=True)
    }


def black_friday(year: int) -> date:
    """The day after the fourth Thursday of November."""
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 22)


def local_fields(hours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weekday (0 = Monday), hour with fraction, and ordinal of the local date, of UTC seconds `hours`."""
    quarter, place = np.unique(hours // 3600, return_inverse=True)
    shift = [datetime.fromtimestamp(int(q) * 3600, ZONE).utcoffset() for q in quarter]
    local = hours + np.array([s.total_seconds() if s else 0.0 for s in shift])[place]
    days = np.floor(local / 86400).astype(int)
    return (days + 3) % 7, local / 3600 - days * 24.0, days + date(1970, 1, 1).toordinal()


def build(
    seed: int,
    *,
    n_services: int = 36,
    n_incidents: int = 180,
    quiet: Mapping[date, Iterable[str]] | None = None,
) -> World:
    """A world of `n_services` and `n_incidents`; on the local dates `quiet` the services named there have no incident."""
    rngs = streams(seed)
    known = services(rngs["services"], n_services)
    drawn = _draw(rngs["incidents"], known, n_incidents, quiet or {})
    agents = tuple(s.name for s in known if s.team in ("supply", "pricing"))
    gaps = (
        Gap("null", datetime(2019, 10, 8, 6, tzinfo=UTC), datetime(2019, 10, 10, 15, tzinfo=UTC), agents),
        Gap(
            "absent",
            datetime(2020, 8, 19, 21, tzinfo=UTC),
            datetime(2020, 8, 20, 4, tzinfo=UTC),
            tuple(s.name for s in known),
        ),
    )
    return World(seed, known, drawn, gaps)


def _draw(
    rng: np.random.Generator, known: tuple[Service, ...], count: int, quiet: Mapping[date, Iterable[str]]
) -> tuple[Incident, ...]:
    fragility = rng.lognormal(0.0, 0.6, len(known))
    weight = np.array([_TIER_WEIGHT[s.tier] for s in known]) * fragility
    by_name, called_by = {s.name: s for s in known}, callers(known)
    hours = np.arange(FIRST.timestamp(), LAST.timestamp(), 3600)
    when = {c: _rate(hours, c).cumsum() for c in SHARES}
    found = [_outage(by_name)]
    for failure_class in _classes(rng, count - 2):
        affinity = _AFFINITY.get(failure_class, {})
        odds = weight * np.array([affinity.get(s.name, 1.0) for s in known])
        while True:
            service = known[int(rng.choice(len(known), p=odds / odds.sum()))]
            incident = _one(rng, failure_class, service, by_name, called_by, hours, when[failure_class])
            if not _disturbs(incident, quiet):
                found.append(incident)
                break
    found.append(_still_open(by_name))
    found.sort(key=lambda i: (i.started, i.services))
    number: dict[int, int] = {}
    numbered = []
    for incident in found:
        year = incident.started.astimezone(ZONE).year
        number[year] = number.get(year, 0) + 1
        numbered.append(replace(incident, incident_id=f"INC-{year}-{number[year]:03d}"))
    return tuple(numbered)


def _classes(rng: np.random.Generator, count: int) -> list[str]:
    """Exactly proportional counts (largest remainders), in random order."""
    exact = np.array([share * count for share in SHARES.values()])
    whole = np.floor(exact).astype(int)
    whole[np.argsort(whole - exact, kind="stable")[: count - int(whole.sum())]] += 1
    return [str(c) for c in rng.permutation(np.repeat(list(SHARES), whole))]


def _one(
    rng: np.random.Generator,
    failure_class: str,
    service: Service,
    by_name: Mapping[str, Service],
    called_by: Mapping[str, tuple[str, ...]],
    hours: np.ndarray,
    when: np.ndarray,
) -> Incident:
    started = datetime.fromtimestamp(float(hours[np.searchsorted(when, rng.random() * when[-1])]), UTC)
    started += MINUTE * int(rng.integers(60))
    severity = 1 + int(rng.choice(4, p=_SEVERITY[service.tier]))
    found_by = str(rng.choice(list(_FOUND), p=list(_FOUND.values())))
    detected = started + _minutes(rng, *_DETECT[found_by])
    acknowledged = detected + MINUTE * int(rng.integers(1, 13))
    mitigated = max(acknowledged, detected + _minutes(rng, _MITIGATE.get(failure_class, 38.0), 1.85))
    ended = mitigated + _minutes(rng, 18.0, 1.85)
    touched = [c for c in called_by[service.name] if rng.random() < 0.55 - 0.1 * severity][:3]
    names = (service.name, *touched)
    teams = tuple(dict.fromkeys(by_name[n].team for n in names))
    return Incident(
        "",
        failure_class,
        None,
        severity,
        names,
        teams,
        found_by,
        started,
        detected,
        acknowledged,
        mitigated,
        ended,
    )


def _minutes(rng: np.random.Generator, median: float, sigma: float) -> timedelta:
    """A lognormal number of whole minutes, at least one and at most ten days."""
    return MINUTE * int(np.clip(round(float(rng.lognormal(np.log(median), sigma))), 1, 14_400))


def _rate(hours: np.ndarray, failure_class: str) -> np.ndarray:
    """Relative rate of incidents by hour: office hours, the season before Christmas, the freeze after it."""
    weekday, hour, day = local_fields(hours)
    office = (weekday < 5) & (hour >= 9) & (hour < 18)
    rate = np.where(office, 5.0 if failure_class in _OFFICE_CLASSES else 2.6, 1.0)
    rate[(hour < 6)] *= 0.45
    rate[(hour >= 18) & (hour < 22)] *= 1.5
    rate[weekday >= 5] *= 0.7
    for year in (2019, 2020):
        rush = black_friday(year).toordinal()
        until = date(year, 12, 23).toordinal()
        rate[(day >= rush - 14) & (day < until)] *= 3.2 if failure_class == "capacity" else 1.9
        rate[(day >= until) & (day < until + 11)] *= 0.35  # change freeze
    return rate


def _disturbs(incident: Incident, quiet: Mapping[date, Iterable[str]]) -> bool:
    end = incident.ended or LAST
    return any(
        incident.started.astimezone(ZONE).date() <= day <= end.astimezone(ZONE).date()
        and set(incident.services) & set(names)
        for day, names in quiet.items()
    )


def _outage(by_name: Mapping[str, Service]) -> Incident:
    """Nobody came through the front door for four hours of a night: the zero in the series is a true zero."""
    start = datetime(2020, 2, 11, 1, 0, tzinfo=UTC)
    names = ("api-gateway", *by_name["api-gateway"].calls, "checkout")
    return Incident(
        "", "network-dns", None, 1, names, tuple(dict.fromkeys(by_name[n].team for n in names)), "customer",
        start, start + 47 * MINUTE, start + 52 * MINUTE, start + 240 * MINUTE, start + 301 * MINUTE, outage=True,
    )  # fmt: skip


def _still_open(by_name: Mapping[str, Service]) -> Incident:
    """An incident that nobody has closed when the two years end."""
    start = datetime(2021, 5, 29, 13, 24, tzinfo=UTC)
    return Incident(
        "", "software-bug", None, 3, ("offer-import",), (by_name["offer-import"].team,), "colleague",
        start, start + 58 * MINUTE, start + 66 * MINUTE, None, None,
    )  # fmt: skip
