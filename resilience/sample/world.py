"""What is true in two years of the marketplace, as data. Times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from .marketplace import Service

if TYPE_CHECKING:
    from .deployments import Deployment, Migration
    from .graph import HiddenEdge
    from .limits import Limit

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime(2019, 6, 1, tzinfo=UTC)
LAST = datetime(2021, 6, 1, tzinfo=UTC)  # exclusive
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Incident:
    """What really happened, and how it was written down. `ended` is None where it was still open in the end.

    `number` counts everything that ever could happen, in all worlds of a seed alike: it pairs incidents of two worlds.
    """

    incident_id: str
    number: int
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
    follower: str | None = None  # reached over a dependency that nobody has declared
    # how it was written down
    style: str = ""
    half: str = ""
    hand: str = ""
    scenario: int = 0
    cause_stated: bool = True
    late_min: int = 0  # minutes by which the recorded start is later than the true one
    missing: tuple[str, ...] = ()  # moments that the report does not hold
    stated_off_min: int = 0  # minutes by which the stated recovery is wrong
    slipped_days: int = 0  # days by which the stated end is too early
    told_twice: bool = False  # a second report of it exists
    duplicate_of: str | None = None  # id of the incident that this file tells a second time

    def at(self, moment: str) -> datetime | None:
        """When `moment` truly was: started, detected, acknowledged, mitigated or resolved."""
        found: datetime | None = getattr(self, "ended" if moment == "resolved" else moment)
        return found

    def recorded(self, moment: str) -> datetime | None:
        """When `moment` was according to the report; None where it does not say."""
        true = self.at(moment)
        if true is None or moment in self.missing:
            return None
        if moment == "started":
            return true + MINUTE * self.late_min
        return true - timedelta(days=self.slipped_days) if moment == "resolved" else true


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
    """Everything that is true before anything is written.

    `incidents` have a report, `unwritten` happened without one, `prevented` would have happened without the GameDays;
    `duplicates` are second reports of some incidents. `cell_rates`: expected incidents per year before any effect,
    (classes, services) in the order of `draw.SHARES` and `services`.
    """

    seed: int
    services: tuple[Service, ...]
    incidents: tuple[Incident, ...]
    unwritten: tuple[Incident, ...]
    prevented: tuple[Incident, ...]
    duplicates: tuple[Incident, ...]
    gaps: tuple[Gap, ...]
    limits: tuple[Limit, ...]
    edges: tuple[HiddenEdge, ...]
    migrations: tuple[Migration, ...]
    deployments: tuple[Deployment, ...]
    cell_rates: np.ndarray

    @property
    def happened(self) -> tuple[Incident, ...]:
        """All incidents, written down or not, in order of time."""
        return tuple(sorted([*self.incidents, *self.unwritten], key=lambda i: i.number))

    def service(self, name: str) -> Service:
        return next(s for s in self.services if s.name == name)


def streams(seed: int) -> dict[str, np.random.Generator]:
    """One generator per part, so that a change in one part leaves the others as they were."""
    names = ("services", "incidents", "reports", "series", "gamedays", "edges", "limits", "deployments")
    children = np.random.SeedSequence(seed).spawn(len(names))
    return {
        name: np.random.Generator(np.random.PCG64(child)) for name, child in zip(names, children, strict=True)
    }


def own(seed: int, number: int, part: int) -> np.random.Generator:
    """The generator of one incident for one `part` of what is drawn about it: the same in every world of a seed."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, part, number])))


def black_friday(year: int) -> date:
    """The day after the fourth Thursday of November."""
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 22)


def local_fields(seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weekday (0 = Monday), hour with fraction, and ordinal of the local date, of UTC `seconds`."""
    hours, place = np.unique(seconds // 3600, return_inverse=True)
    shift = [datetime.fromtimestamp(int(h) * 3600, ZONE).utcoffset() for h in hours]
    local = seconds + np.array([s.total_seconds() if s else 0.0 for s in shift])[place]
    days = np.floor(local / 86400).astype(int)
    return (days + 3) % 7, local / 3600 - days * 24.0, days + date(1970, 1, 1).toordinal()
