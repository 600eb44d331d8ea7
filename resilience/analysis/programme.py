"""The experiments of a plan on one day, one after the other: when each of them begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

FIRST_HOUR = 10  # o'clock local, for what needs no safe window
PAUSE_MIN = 25.0  # between two experiments that need none


@dataclass(frozen=True)
class Slot:
    """A safe start: `starts_at` and `ends_at` (UTC), the local `day` (ISO), the `room` that is left, and that in words."""

    starts_at: pd.Timestamp
    ends_at: pd.Timestamp
    day: str
    room: float
    text: str


@dataclass(frozen=True)
class Window:
    """When an experiment may run: `starts_at` and `ends_at` (UTC; null where none was found or looked for)
    and why, in words. `slots`: every safe start, most room first.

    `fits` is False where every window of the time asked for is refused, None where nothing is known.
    """

    fits: bool | None
    starts_at: pd.Timestamp | None = None
    ends_at: pd.Timestamp | None = None
    text: str = "Not checked: no traffic of it is known."
    slots: tuple[Slot, ...] = ()


def one_day(windows: Sequence[Window]) -> tuple[str | None, list[Window]]:
    """The local day (ISO) on which most of `windows` fit one after the other, and the windows moved there.

    Of days that hold as many the one with most room in all, of these the first. What does not fit on that day keeps its own
    best start. None where no window has a start.
    """
    days = sorted({slot.day for window in windows for slot in window.slots})
    best: dict[int, Slot] = {}
    chosen = None
    for day in days:
        placed = _placed(windows, day)
        if _worth(placed) > _worth(best):
            best, chosen = placed, day
    moved = [
        replace(w, starts_at=best[i].starts_at, ends_at=best[i].ends_at, text=best[i].text)
        if i in best
        else w
        for i, w in enumerate(windows)
    ]
    return chosen, moved


def _worth(placed: dict[int, Slot]) -> tuple[int, float]:
    return len(placed), sum(slot.room for slot in placed.values())


def _placed(windows: Sequence[Window], day: str) -> dict[int, Slot]:
    """Starts on `day` that do not overlap: who has fewest to choose from chooses first, and takes most room."""
    of_day = {i: [s for s in w.slots if s.day == day] for i, w in enumerate(windows)}
    placed: dict[int, Slot] = {}
    for i in sorted(of_day, key=lambda i: (len(of_day[i]), i)):
        for slot in of_day[i]:
            if all(slot.ends_at <= p.starts_at or p.ends_at <= slot.starts_at for p in placed.values()):
                placed[i] = slot
                break
    return placed


def starts(chosen: pd.DataFrame, day: pd.Timestamp, zone: str, minutes: float) -> dict[str, pd.Timestamp]:
    """Service -> local start of its experiment: in its window, else one after the other from ten on the local `day`."""
    taken = [(a, b) for a, b in zip(chosen["starts_at"], chosen["ends_at"], strict=True) if pd.notna(a)]
    at = pd.Timestamp(year=day.year, month=day.month, day=day.day, hour=FIRST_HOUR, tz=zone)
    step = pd.Timedelta(minutes=minutes + PAUSE_MIN)
    found = {}
    for service, own in zip(chosen["service"], chosen["starts_at"], strict=True):
        if pd.notna(own):
            found[service] = own.tz_convert(zone)
            continue
        while busy := [b for a, b in taken if a < at + step and at < b]:
            at = max(busy).tz_convert(zone)
        found[service] = at
        at += step
    return found
