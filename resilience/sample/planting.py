"""Who writes about each incident and how, and what is planted in the reports. The same in all worlds of a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from . import wording
from .draw import MINOR
from .switches import CHANGE
from .world import Incident, own

# House style of each team: front matter, key and value lines, or sections after the SRE book.
STYLES = ("front-matter", "key-value", "sre-book")
_HOUSE = {
    "discovery": 0, "checkout": 1, "payments": 2, "pricing": 0, "supply": 1, "identity": 2, "messaging": 1,
    "platform": 2, "after-sales": 0,
}  # fmt: skip
_MISSING: tuple[tuple[str, ...], ...] = (
    ("detected",), ("started",), ("mitigated",), ("detected", "mitigated"), ("resolved",), ("started", "detected")
)  # fmt: skip
_WRONG_BY = (45, -20, 90)  # minutes by which a stated recovery is off
_SLIPPED = 3  # reports that date their end a day too early
_SHARE_TWICE = 1 / 45  # of so many incidents there is a second report
_UNEXPLAINED = 5  # reports that could not name a cause


def tell(seed: int, rng: np.random.Generator, drawn: Sequence[Incident]) -> list[Incident]:
    """Style, half, hand and scenario of everything that could happen; missing times, contradictions, unknown causes.

    Planted only in incidents that no world prevents or leaves unwritten.
    """
    told = [_assign(seed, incident) for incident in drawn]
    told = [  # an open incident has no duration to state, and its house writes what is not known yet
        replace(i, style=STYLES[0], hand=f"{STYLES[0]}-{i.half}") if not i.ended else i for i in told
    ]
    chosen = _Choices(rng, told)
    for n, missing in zip(chosen.take("plain", len(_MISSING)), _MISSING, strict=True):
        told[n] = replace(told[n], missing=missing)
    for n, off in zip(chosen.take("stated", len(_WRONG_BY)), _WRONG_BY, strict=True):
        told[n] = replace(told[n], stated_off_min=off)
    for n in chosen.take("slips", _SLIPPED):
        told[n] = replace(told[n], slipped_days=1)
    for n in chosen.take("plain", _UNEXPLAINED):
        told[n] = replace(told[n], cause_stated=False)
    for n in chosen.take("any", round(len(told) * _SHARE_TWICE)):
        told[n] = replace(told[n], told_twice=True)
    return _scenarios(rng, told)


def duplicates(seed: int, written: Sequence[Incident]) -> tuple[Incident, ...]:
    """Second reports: another hand of another house tells the same incident in a file of its own.

    Every other one carries the same id, the rest an id that only its writers use.
    """
    found = []
    for place, first in enumerate(i for i in written if i.told_twice):
        style = STYLES[(STYLES.index(first.style) + 1 + place % 2) % len(STYLES)]
        half = wording.HALVES[1 - wording.HALVES.index(first.half)]
        year = first.incident_id.split("-")[1]
        own_id = first.incident_id if place % 2 == 0 else f"PM-{year}-{700 + place}"
        second = replace(first, incident_id=own_id, duplicate_of=first.incident_id)
        found.append(replace(second, style=style, half=half, hand=f"{style}-{half}"))
    return tuple(_scenarios(own(seed, 0, 6), found))


def _assign(seed: int, incident: Incident) -> Incident:
    """The first team's house style, one time in eight another; and one of the two halves of writers."""
    rng = own(seed, incident.number, 4)
    style = _HOUSE[incident.teams[0]] if rng.random() < 0.875 else int(rng.integers(len(STYLES)))
    half = wording.HALVES[int(rng.integers(2))]
    return replace(incident, style=STYLES[style], half=half, hand=f"{STYLES[style]}-{half}")


def _always(incident: Incident) -> bool:
    """Whether the incident is reported in every world, with the same times."""
    return (
        incident.severity != MINOR
        and incident.ended is not None
        and not incident.outage
        and incident.started < CHANGE
    )


class _Choices:
    """Numbers of incidents in random order, each given away once."""

    def __init__(self, rng: np.random.Generator, told: Sequence[Incident]) -> None:
        able = [n for n in rng.permutation(len(told)).tolist() if _always(told[n])]
        lasts = {n: (told[n].ended or CHANGE) - told[n].started for n in able}
        self._able = {
            "any": able,
            "plain": [n for n in able if told[n].style != STYLES[2]],
            "stated": [n for n in able if told[n].style == STYLES[2] and lasts[n] > timedelta(hours=1)],
            # short enough that a day too early is before the start
            "slips": [n for n in able if told[n].style != STYLES[2] and lasts[n] < timedelta(hours=20)],
        }
        self._given: set[int] = set()

    def take(self, kind: str, count: int) -> list[int]:
        """`count` numbers of a kind."""
        found = [n for n in self._able[kind] if n not in self._given][:count]
        self._given.update(found)
        return found


def _scenarios(rng: np.random.Generator, told: Sequence[Incident]) -> list[Incident]:
    """The scenario that fits class and service and was told least often so far."""
    used: Counter[tuple[str, str, int]] = Counter()
    found = []
    for row in told:
        fit = wording.fitting(row.half, row.failure_class, row.services[0])
        fit = [fit[int(i)] for i in rng.permutation(len(fit))]
        best = min(fit, key=lambda i: used[row.half, row.failure_class, i])
        used[row.half, row.failure_class, best] += 1
        second = wording.scenarios(row.half, row.failure_class)[best].second
        found.append(replace(row, scenario=best, second_class=second if row.cause_stated else None))
    return found
