"""When each incident and experiment began by its metrics, beside when somebody says that it began.

The onset separates when a fault began from when its start was written down. A start that is recorded earlier makes time
to detect longer without anything having changed; the onset does not move with the habit of the writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from . import baseline, movement, onset, placing

SIGMAS = (
    6.0  # on as few as 30 points, over several series and hours: at 4, one onset in five lay before the fault
)
REFERENCE = 30  # intervals before the search that say what is usual
BACK_H = 24  # how far before the stated start is looked, at most
RECORDED_MIN = 10  # before the recorded start of a fault, which nobody had to guess
AFTER_MIN = 60  # after the stated start where no detection is stated
MARGIN_MIN = 15  # after the detection: several intervals are needed to see a movement
GAP_INTERVALS = 3  # a recording that stops for longer is another one

COLUMNS = [
    "started_at", "detected_at", "onset_at", "earliest", "latest", "metric", "scope", "kind", "strength",
    "late_min", "n_moved", "n_searched", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class Anchors:
    """Stated starts against onsets. `table`: one row per incident (or experiment), in the order given.

    Columns: incident_id (or gameday_id and experiment_key), started_at and detected_at as stated, onset_at with earliest and
    latest (UTC; null where there is none), metric and scope that moved first, kind and strength of that movement, late_min
    (minutes from the onset to the stated start: positive where the start was written down late), n_moved of n_searched
    series, reason (why there is no onset). `moves`: one row per incident and series that moved, in order of onset.
    """

    table: pd.DataFrame
    moves: pd.DataFrame
    text: str


@dataclass(frozen=True)
class _Event:
    start: int
    until: int
    keys: list[tuple[str, str]]
    parts: list[movement.Part]
    slow: list[float]
    back: int


def of_incidents(
    incidents: pd.DataFrame,
    incident_services: pd.DataFrame,
    series: pd.DataFrame | movement.Recorded,
    *,
    sigmas: float = SIGMAS,
    executor: Executor | None = None,
) -> Anchors:
    """Onset of each row of `incidents` in the `series` of its services, at the shortest interval that was recorded then.

    Searched is from a day before the stated start, or as far back as there is a recording without a gap, to 15 minutes
    after the stated detection (an hour after the start where none is stated). The onset is the first of its series'.
    Raises InputError where `incidents` repeats an id.
    """
    if incidents["incident_id"].duplicated().any():
        raise InputError("An incident stands twice.", remedy="Give one row per incident.")
    services = incident_services.groupby("incident_id")["service"].agg(list).to_dict()
    events = pd.DataFrame(
        {
            "incident_id": incidents["incident_id"],
            "started_at": incidents["started_at"],
            "detected_at": incidents["detected_at"],
            "services": [services.get(i, []) for i in incidents["incident_id"]],
        }
    )
    return _anchors(events, ["incident_id"], series, BACK_H * baseline.HOUR_US, sigmas, executor)


def of_experiments(
    experiments: pd.DataFrame,
    targets: pd.DataFrame,
    series: pd.DataFrame | movement.Recorded,
    *,
    sigmas: float = SIGMAS,
    executor: Executor | None = None,
) -> Anchors:
    """As `of_incidents`, for the fault of each row of `experiments` in the series of its targets.

    `started_at` is the recorded start of the fault, which is searched from ten minutes before until 15 minutes after its
    recorded end, or after the time box.
    """
    key = ["gameday_id", "experiment_key"]
    services = targets.groupby(key)["service"].agg(list).to_dict()
    box = pd.to_timedelta(experiments["planned_min"], unit="min")
    events = experiments[key].assign(
        started_at=experiments["fault_started_at"],
        detected_at=experiments["fault_ended_at"].fillna(experiments["fault_started_at"] + box),
        services=[services.get(tuple(k), []) for k in experiments[key].itertuples(index=False)],
    )
    found = _anchors(events, key, series, RECORDED_MIN * 60_000_000, sigmas, executor)
    return Anchors(found.table.drop(columns="detected_at"), found.moves, found.text)


def _anchors(
    events: pd.DataFrame,
    key: list[str],
    series: pd.DataFrame | movement.Recorded,
    back: int,
    sigmas: float,
    executor: Executor | None,
) -> Anchors:
    asked = list(_events(events, _by_service(series), back))
    work = partial(_search, sigmas=sigmas)
    found = list(map(work, asked) if executor is None else executor.map(work, asked, chunksize=8))
    rows, moves = [], []
    for event, (moved, searched, reason) in zip(events.itertuples(index=False), found, strict=True):
        ids = {name: getattr(event, name) for name in key}
        first = moved[0] if moved else None
        stated = {"started_at": event.started_at, "detected_at": event.detected_at}
        late = np.nan if first is None else (event.started_at - first["onset_at"]) / pd.Timedelta(minutes=1)
        about = {"late_min": late, "n_moved": len(moved), "n_searched": searched, "reason": reason}
        rows.append(ids | stated | (first or {}) | about)
        moves += [ids | row for row in moved]
    each = ["onset_at", "earliest", "latest", "metric", "scope", "kind", "strength"]
    table = _typed(pd.DataFrame(rows, columns=[*key, *COLUMNS]))
    return Anchors(table, _typed(pd.DataFrame(moves, columns=[*key, *each])), _text(table))


def _by_service(series: pd.DataFrame | movement.Recorded) -> dict[str, movement.Recorded]:
    """Series by the service that their scope names; every interval on its own."""
    found: dict[str, movement.Recorded] = {}
    for (metric, scope), part in movement.recorded(series):
        service = movement.service_of(scope)
        if service is not None:
            found.setdefault(service, []).append(((metric, scope), part))
    return found


def _events(
    events: pd.DataFrame, by_service: dict[str, movement.Recorded], back: int
) -> Iterator[_Event | None]:
    """What there is to search for each row: of each metric and scope the shortest interval that was recorded then."""
    hour = BACK_H * baseline.HOUR_US
    for row in events.itertuples(index=False):
        if pd.isna(row.started_at):
            yield None
            continue
        start = _us(row.started_at)
        detected = start if pd.isna(row.detected_at) else _us(row.detected_at)
        until = max(start + AFTER_MIN * 60_000_000, detected + MARGIN_MIN * 60_000_000)
        until = min(until, start + hour)
        chosen: dict[tuple[str, str], movement.Part] = {}
        shapes: dict[tuple[str, str], movement.Part] = {}
        for service in row.services:
            for name, (time, value, interval) in by_service.get(service, []):
                reach = max(hour, (REFERENCE + 24) * interval)
                low, high = np.searchsorted(
                    time, [start - reach - REFERENCE * interval, until + 5 * interval]
                )
                low = _unbroken(time[low:high], start, interval) + int(low)
                weeks = (
                    12 * baseline.WEEK_US if interval >= baseline.HOUR_US else 0
                )  # for the shape of the week and what lies off it
                low = min(int(low), int(np.searchsorted(time, start - weeks))) if weeks else low
                before = time[low:high][time[low:high] <= start]
                if len(before) < REFERENCE or start - before[-1] > GAP_INTERVALS * interval:
                    continue
                part = (time[low:high], value[low:high], interval)
                if weeks:
                    shapes[name] = part
                if name not in chosen or interval < chosen[name][2]:
                    chosen[name] = part
        finest = min((part[2] for part in chosen.values()), default=0)
        chosen = {
            name: part for name, part in chosen.items() if part[2] == finest
        }  # an hour cannot come before a minute
        known = [_shaped(part, shapes.get(name), start) for name, part in chosen.items()]
        slow = [off for _, off in known]
        yield _Event(start, until, list(chosen), [part for part, _ in known], slow, back)


def _shaped(part: movement.Part, hours: movement.Part | None, start: int) -> tuple[movement.Part, float]:
    """`part` over the shape of its day, and how far the hours before `start` lay from that shape, as a share.

    A morning's rise is no onset, nor is an hour a little above the last one, and a recording of a few hours cannot show what
    is usual. Without weeks of hours of the same series it stays as it is.
    """
    time, value, interval = part
    if hours is None or hours[2] <= interval:
        return part, 0.0
    cut = baseline.blocks(hours[1], hours[0], hours[2])
    shape = baseline.weekly(cut)
    edge = (hours[0][0] // hours[2] + np.arange(len(shape))) * hours[2]
    known = shape > 0
    if known.sum() < 2:
        return part, 0.0
    expected = np.interp(
        time + interval / 2, edge[known] + hours[2] / 2, shape[known], left=np.nan, right=np.nan
    )
    off = (cut.median / np.where(known, shape, np.nan))[edge < start - hours[2]]
    off = off[np.isfinite(off)]
    if not np.isfinite(expected).all() or len(off) < REFERENCE:
        return part, 0.0
    share = value / expected
    usual = np.nanmedian(share[time < start]) if np.isfinite(share[time < start]).any() else np.nan
    if not np.isfinite(usual) or usual == 0:
        return part, 0.0
    return (time, share / usual, interval), placing.usual(off)[
        1
    ]  # sums of an hour and of a minute differ in size


def _unbroken(time: np.ndarray, start: int, interval: int) -> int:
    """First row of the recording without a gap that holds `start`."""
    before = time[time <= start]
    breaks = np.flatnonzero(np.diff(before) > GAP_INTERVALS * interval)
    return int(breaks[-1]) + 1 if len(breaks) else 0


def _search(event: _Event | None, sigmas: float) -> tuple[list[dict[str, object]], int, str | None]:
    """Movements in order of onset, how many series could be searched, and why there is none."""
    if event is None:
        return [], 0, "its start is not recorded"
    if not event.parts:
        return [], 0, "no series of its services was recorded then"
    moved: list[dict[str, object]] = []
    searched = counts = 0
    for (metric, scope), (time, value, interval), slow in zip(
        event.keys, event.parts, event.slow, strict=True
    ):
        back = max(event.back, 2 * interval)
        begin = max(int(time[0]) + REFERENCE * interval, event.start - back)
        until = max(event.until, event.start + onset.MIN_SEARCH * interval)
        try:
            found = onset.find(
                value,
                time.astype("datetime64[us]"),
                pd.Timestamp(event.start, unit="us", tz="UTC"),
                before=pd.Timedelta(max(event.start - begin, 0), unit="us"),
                after=pd.Timedelta(until - event.start, unit="us"),
                sigmas=sigmas,
                slow=slow,
            )
        except RefusedError:
            counts += bool(baseline.resets(value))
            continue
        searched += 1
        if found is not None:
            names = ("earliest", "latest", "kind", "strength")
            row = {"onset_at": found.at, **{name: getattr(found, name) for name in names}}
            moved.append({**row, "metric": metric, "scope": scope})
    moved.sort(key=lambda row: (row["onset_at"], -abs(float(str(row["strength"])))))
    if moved:
        return moved, searched, None
    if searched:
        return [], searched, "no series moved"
    return [], 0, "its series are running counts" if counts else "too little was recorded before its start"


def _us(at: pd.Timestamp) -> int:
    return int(at.as_unit("us").asm8.astype(np.int64))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    times = [name for name in table if str(name).endswith("_at") or name in ("earliest", "latest")]
    texts = ["metric", "scope", "kind", *(["reason"] if "reason" in table else [])]
    for name in times:
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    return table.astype(dict.fromkeys(texts, "str") | {"strength": float})


def _text(table: pd.DataFrame) -> str:
    known = table.dropna(subset="onset_at")
    if known.empty:
        return f"No onset was found for any of {len(table)}."
    late = known["late_min"]
    says = (
        f"Of {len(table)}, {len(known)} have an onset in their metrics. The stated start is "
        f"{late.abs().median():.0f} min away from it in the median"
    )
    after = int((known["started_at"] > known["latest"]).sum())
    before = int((known["started_at"] < known["earliest"]).sum())
    says += f"; {after} were stated later than the onset can have been, {before} earlier."
    reasons = table.loc[table["onset_at"].isna(), "reason"].value_counts().sort_index()
    if len(reasons):
        says += f" Without one: {'; '.join(f'{count} ({reason})' for reason, count in reasons.items())}."
    return says
