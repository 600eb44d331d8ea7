"""What could go wrong in two years: which class of failure, where, when, and who noticed.

Everything is drawn from one seeded generator in a fixed order and whatever the switches: worlds of one seed differ
only in what `happen` makes of the draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from .effects import Effects
from .graph import HiddenEdge
from .marketplace import Service, callers
from .switches import OFFSET, Switches
from .world import FIRST, LAST, MINUTE, ZONE, Incident, black_friday, local_fields, own

# Shares of true classes in the long tail of incidents; they add up to 1.
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
SEVERITY = {1: (0.12, 0.33, 0.38, 0.17), 2: (0.03, 0.20, 0.47, 0.30), 3: (0.0, 0.06, 0.44, 0.50)}
_FOUND = {"monitor": 0.56, "colleague": 0.24, "customer": 0.20}
# Median minutes from start to detection, by who found it, and the spread on the log scale.
_DETECT = {"monitor": (5.0, 1.2), "colleague": (26.0, 1.4), "customer": (60.0, 1.4)}
# Median minutes from detection to mitigation, by class; third parties and data stores take longest.
_MITIGATE = {"third-party": 85.0, "datastore": 80.0, "deploy": 24.0, "config": 35.0, "hardware-power": 60.0}


_YEARS = 2  # of which FIRST to LAST is the length
MINOR = 4  # the severity that not everybody writes a report about
# Cells that no GameDay has touched and that fail so many times a year: of the marketplace's true rates the costliest by
# far, and often enough for two years of reports to tell. All other cells share the rest as a long tail.
COSTLY = (
    ("software-bug", "order-service"), ("config", "pricing-rules"), ("third-party", "shipping-quotes"),
    ("deploy", "catalog"), ("capacity", "search-indexer"), ("datastore", "inventory"),
)  # fmt: skip
COSTLY_A_YEAR = 5.0


@dataclass(frozen=True)
class Drawn:
    """Everything that could happen, in order of time, and the expected number of incidents per year and cell."""

    incidents: tuple[Incident, ...]
    cell_rates: np.ndarray


def draw(
    rng: np.random.Generator,
    known: tuple[Service, ...],
    count: int,
    quiet: Mapping[date, Iterable[str]],
) -> Drawn:
    """`count` incidents; on the local dates `quiet` the services named there have none."""
    by_name, called_by = {s.name: s for s in known}, callers(known)
    weight = np.array([_TIER_WEIGHT[s.tier] for s in known]) * rng.lognormal(0.0, 0.6, len(known))
    hours = np.arange(FIRST.timestamp(), LAST.timestamp(), 3600)
    local = local_fields(hours)
    when = {c: _rate(*local, c).cumsum() for c in SHARES}
    found = [_outage(by_name), _still_open(by_name)]
    expected = _expected(known, weight, count - len(found))
    whole = expected.sum(axis=1).round().astype(int)
    odds = dict(zip(SHARES, expected / whole[:, None], strict=True))
    for failure_class in rng.permutation(np.repeat(list(SHARES), whole)).tolist():
        while True:
            service = known[int(rng.choice(len(known), p=odds[failure_class]))]
            incident = _one(rng, failure_class, service, by_name, called_by, hours, when[failure_class])
            if not _disturbs(incident, quiet):
                found.append(incident)
                break
    found.sort(key=lambda i: (i.started, i.services))
    return Drawn(tuple(replace(incident, number=n) for n, incident in enumerate(found)), expected / _YEARS)


def follow(
    seed: int, drawn: Iterable[Incident], edges: tuple[HiddenEdge, ...], quiet: Mapping[date, Iterable[str]]
) -> list[Incident]:
    """The same incidents; of those that begin where a hidden edge does, the edge's share goes on to the follower."""
    by_source = {e.service: e for e in edges}
    seen: set[str] = set()
    found = []
    for incident in drawn:
        edge = by_source.get(incident.services[0])
        if edge and not incident.outage:
            reached = replace(incident, follower=edge.follower)
            # the first one with a sure report always does, so that each edge can be seen in incidents
            first = edge.service not in seen and incident.severity != MINOR
            goes = first or own(seed, incident.number, 10).random() < edge.share
            if goes and not _disturbs(reached, quiet):
                seen |= {edge.service} if incident.severity != MINOR else set()
                incident = reached
        found.append(incident)
    return found


def happen(
    seed: int, drawn: Iterable[Incident], switches: Switches, effects: Effects, teams: Mapping[str, str]
) -> tuple[list[Incident], list[Incident], list[Incident]]:
    """Incidents with a report, without one, and prevented, with the times that hold in this world. `teams`: by service."""
    written: list[Incident] = []
    unwritten: list[Incident] = []
    prevented: list[Incident] = []
    for incident in drawn:
        exempt = incident.outage or incident.ended is None  # planted as they are
        prevents, captures, is_late = own(seed, incident.number, 1).random(3)
        share = own(seed, incident.number, 2).uniform(*OFFSET)
        place = (incident.failure_class, incident.services[0], incident.started)
        if switches.hidden_edges and incident.follower:
            names = tuple(dict.fromkeys((*incident.services, incident.follower)))
            incident = replace(incident, services=names, teams=tuple(dict.fromkeys(teams[n] for n in names)))
        else:
            incident = replace(incident, follower=None)
        if exempt:
            written.append(incident)
        elif prevents >= effects.rate(*place):
            prevented.append(incident)
        else:
            times = effects.detect(*place) * switches.at(switches.detect, incident.started)
            incident = _sooner(incident, times)
            if is_late < switches.at(switches.late, incident.started) and not incident.told_twice:
                true = (incident.detected - incident.started) // MINUTE
                incident = replace(incident, late_min=min(round(share * true), true - 1))
            minor = incident.severity == MINOR
            kept = not minor or captures < switches.at(switches.capture, incident.started)
            (written if kept else unwritten).append(incident)
    return _identified(written), unwritten, prevented


def _sooner(incident: Incident, times: float) -> Incident:
    """The same incident detected `times` as fast; the time that repairs take is unchanged."""
    true = incident.detected - incident.started
    earlier = true - max(MINUTE, MINUTE * round(true / MINUTE * times))
    moments = ("detected", "acknowledged", "mitigated", "ended")
    return replace(incident, **{m: getattr(incident, m) - earlier for m in moments})


def _identified(incidents: Iterable[Incident]) -> list[Incident]:
    """Ids by year, in order of time."""
    number: dict[int, int] = {}
    found = []
    for incident in incidents:
        year = incident.started.astimezone(ZONE).year
        number[year] = number.get(year, 0) + 1
        found.append(replace(incident, incident_id=f"INC-{year}-{number[year]:03d}"))
    return found


def _expected(known: tuple[Service, ...], weight: np.ndarray, count: int) -> np.ndarray:
    """Expected incidents of each cell, (classes, services), `count` in all and a whole number of each class.

    Costly cells have their stated rate, but for what makes the class whole.
    """
    costly = np.array([[(c, s.name) in COSTLY for s in known] for c in SHARES])
    likelier = np.array([[_AFFINITY.get(c, {}).get(s.name, 1.0) for s in known] for c in SHARES])
    tail = np.where(costly, 0.0, weight * likelier)
    tail *= np.array(list(SHARES.values()))[:, None] / tail.sum(axis=1, keepdims=True)
    planted = _YEARS * COSTLY_A_YEAR
    expected = np.where(costly, planted, tail * (count - planted * costly.sum()))
    exact = expected.sum(axis=1)
    whole = np.floor(exact)  # largest remainders
    whole[np.argsort(whole - exact, kind="stable")[: count - int(whole.sum())]] += 1
    return expected * (whole / exact)[:, None]


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
    severity = 1 + int(rng.choice(4, p=SEVERITY[service.tier]))
    found_by = str(rng.choice(list(_FOUND), p=list(_FOUND.values())))
    detected = started + _minutes(rng, *_DETECT[found_by])
    acknowledged = detected + MINUTE * int(rng.integers(1, 13))
    mitigated = max(acknowledged, detected + _minutes(rng, _MITIGATE.get(failure_class, 38.0), 2.1))
    ended = mitigated + _minutes(rng, 18.0, 2.1)
    touched = [c for c in called_by[service.name] if rng.random() < 0.55 - 0.1 * severity][:3]
    names = (service.name, *touched)
    teams = tuple(dict.fromkeys(by_name[n].team for n in names))
    return Incident(
        "", 0, failure_class, None, severity, names, teams, found_by, started, detected, acknowledged, mitigated, ended
    )  # fmt: skip


def _minutes(rng: np.random.Generator, median: float, sigma: float) -> timedelta:
    """A lognormal number of whole minutes, at least one and at most ten days."""
    return MINUTE * int(np.clip(round(float(rng.lognormal(np.log(median), sigma))), 1, 14_400))


def _rate(weekday: np.ndarray, hour: np.ndarray, day: np.ndarray, failure_class: str) -> np.ndarray:
    """Relative rate of incidents by local time: office hours, the season before Christmas, the freeze after it."""
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
        and {*incident.services, incident.follower} & set(names)
        for day, names in quiet.items()
    )


def _outage(by_name: Mapping[str, Service]) -> Incident:
    """Nobody came through the front door for four hours of a night: the zero in the series is a true zero."""
    start = datetime(2020, 2, 11, 1, 0, tzinfo=UTC)
    names = ("api-gateway", *by_name["api-gateway"].calls, "checkout")
    return Incident(
        "", 0, "network-dns", None, 1, names, tuple(dict.fromkeys(by_name[n].team for n in names)), "customer",
        start, start + 47 * MINUTE, start + 52 * MINUTE, start + 240 * MINUTE, start + 301 * MINUTE, outage=True,
    )  # fmt: skip


def _still_open(by_name: Mapping[str, Service]) -> Incident:
    """An incident that nobody has closed when the two years end."""
    start = datetime(2021, 5, 29, 13, 24, tzinfo=UTC)
    return Incident(
        "", 0, "software-bug", None, 3, ("offer-import",), (by_name["offer-import"].team,), "colleague",
        start, start + 58 * MINUTE, start + 66 * MINUTE, None, None,
    )  # fmt: skip
