"""When is it safe to experiment? Windows with room for the fault, time to recover, and somebody at hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from . import calendar as business
from .grid import DAY_US, MONDAY_US, WEEK_US, Grid, Series, Spans, local, micros, read

WEEKS = 8  # weeks of which the highest value at a time of the week is expected again
HISTORY = 52  # weeks whose ups and downs say how much the level may rise by then
PROVEN = 13  # weeks whose highest ordinary value is known to be carried still
AFTER_MIN = 60.0  # minutes after the fault that belong to the window, at least
MAX_DRAIN_MIN = 240.0
RECENT = pd.Timedelta(days=30)  # an incident older than this and still open is a report nobody closed


@dataclass(frozen=True)
class SafeWindows:
    """`table`: one row per start that was looked at, in order of time.

    starts_at, ends_at (UTC); safe; reason (null where safe); room (smallest share of the capacity left under the fault
    that stays free, over targets and intervals); tightest (the target it belongs to); backlog (messages, where consumers
    stand still), drain_min; condition (what has to be true on the day, else null). `text` says what was found and what
    could not be checked.
    """

    table: pd.DataFrame
    text: str

    @property
    def best(self) -> pd.DataFrame:
        """The safe ones, most room first."""
        rows = self.table[self.table["safe"]]
        return rows.sort_values(["room", "starts_at"], ascending=[False, True], ignore_index=True)


def safe_windows(
    load: pd.DataFrame,
    calendar: pd.DataFrame,
    *,
    zone: str,
    metric: str,
    targets: Collection[str],
    minutes: float,
    between: tuple[pd.Timestamp, pd.Timestamp],
    limits: Mapping[str, float] | None = None,
    lost: float = 1 / 3,
    stopped: bool = False,
    incidents: pd.DataFrame | None = None,
    slo_history: pd.DataFrame | None = None,
    exclude: Spans | None = None,
    every_min: int = 30,
) -> SafeWindows:
    """Windows of `minutes` for a fault on the services `targets`, starting between two aware moments.

    `load`: rows of `series`, of `metric` at one interval. `calendar`: rows of that table (may be empty). `limits`:
    service -> load per interval that it carries within its objective (`capacity.headroom`); a service that is not named
    is taken to carry what it carried in the last 13 weeks, and no more. `lost`: share of capacity that the fault takes;
    `stopped`: the targets are consumers that stand still, and their queue must drain within four hours. `incidents` and
    `slo_history`: rows of those tables; an incident on a target that is still open closes the first day, an exhausted error
    budget the 30 days after it was measured. `exclude`: spans that were no ordinary weeks.

    Expected is, at each time of the week, the highest value of the last eight weeks, each as a share of its week's level,
    times the last week's level, times the rise within that many weeks that 95 % of history did not exceed.
    Raises InputError where a target has no series, or fewer than four weeks of it, where `between` is empty, and where
    minutes or the share lost make no sense.
    """
    if not (np.isfinite(minutes) and minutes > 0 and 0 <= lost < 1):
        raise InputError(
            f"A fault of {minutes:g} minutes that takes {lost:.0%} of capacity is none to find a window for.",
            remedy="Give minutes above 0, and a share lost from 0 to below 1.",
        )
    series = read(load, metric, None, exclude)
    grids = [_grid_of(series, service) for service in targets]
    starts = _starts(between, every_min, zone)
    ends = starts + pd.Timedelta(minutes=minutes)
    known = limits or {}
    fits = []
    for service, grid in zip(targets, grids, strict=True):
        carries = known.get(service, float("nan"))
        fits.append(_fit(service, grid, zone, starts, minutes, carries, lost, stopped))
    room = np.stack([f.room for f in fits])
    tightest = np.array(list(targets), dtype=object)[
        np.argmin(np.where(np.isnan(room), -np.inf, room), axis=0)
    ]
    drain = np.max(np.stack([f.drain_min for f in fits]), axis=0)
    backlog = np.max(np.stack([f.backlog for f in fits]), axis=0)
    least = np.min(room, axis=0)
    over = ends + pd.to_timedelta(np.minimum(np.fmax(drain, AFTER_MIN), MAX_DRAIN_MIN), unit="min")
    at_hand = business.support(calendar, starts, over, zone)
    reasons = business.closed(calendar, targets, starts, over)
    open_now, conditions = _open(incidents, targets, between[0])
    spent = _spent(slo_history, targets)
    rows = []
    for i, start in enumerate(starts):
        reason = reasons[i]
        if reason is None and open_now and start < between[0] + pd.Timedelta(days=1):
            reason = f"open incident: {open_now}"
        if reason is None:
            reason = next((why for until, why in spent if start < until), None)
        if reason is None and at_hand is not None and not at_hand[i]:
            reason = "nobody at hand until it has recovered"
        if reason is None and np.isnan(least[i]):
            reason = f"no ordinary week of {tightest[i]} shows this time"
        if reason is None and least[i] <= 0:
            reason = f"no room on {tightest[i]}: it may need {1 - least[i]:.0%} of what the fault leaves"
        if reason is None and drain[i] > MAX_DRAIN_MIN:
            reason = f"the queue is not worked off within {MAX_DRAIN_MIN:g} minutes"
        rows.append(
            [start, ends[i], reason is None, reason, least[i], tightest[i], backlog[i], drain[i], conditions]
        )
    columns = [
        "starts_at",
        "ends_at",
        "safe",
        "reason",
        "room",
        "tightest",
        "backlog",
        "drain_min",
        "condition",
    ]
    table = pd.DataFrame(rows, columns=columns).astype(
        {"reason": "str", "tightest": "str", "condition": "str", "safe": bool}
    )
    return SafeWindows(table, _text(table, targets, known, at_hand is not None, calendar, slo_history, zone))


@dataclass(frozen=True)
class _Fit:
    room: np.ndarray
    backlog: np.ndarray
    drain_min: np.ndarray


def expected(grid: Grid, zone: str) -> tuple[np.ndarray, float, np.ndarray, int]:
    """Shape (slots of a local week): highest share of its week's level within the last weeks; the last level; levels of

    all weeks; and the last whole week (weeks since 1970). A week counts with half of its values."""
    per_week = WEEK_US // grid.step_us
    place = (local(grid.edges, zone) + MONDAY_US) // grid.step_us
    week, slot = place // per_week, place % per_week
    first = int(week.min())
    table = np.full((int(week.max()) - first + 1, per_week), np.nan)
    table[week - first, slot] = grid.kept
    enough = (~np.isnan(table)).mean(axis=1) >= 0.5
    level = np.full(len(table), np.nan)
    level[enough] = np.nanmean(table[enough], axis=1)
    usable = np.flatnonzero(level > 0)
    if len(usable) < 4:
        raise InputError(
            f"{grid.scope} has {len(usable)} ordinary weeks; at least four are needed to expect anything.",
            remedy="Give a longer series, or leave out less.",
        )
    recent = usable[-WEEKS:]
    share = table[recent] / level[recent][:, None]
    seen = ~np.isnan(share).all(axis=0)
    shape = np.full(per_week, np.nan)
    shape[seen] = np.nanmax(share[:, seen], axis=0)
    return (
        shape,
        float(level[usable[-1]]),
        level[max(0, usable[-1] - HISTORY) : usable[-1] + 1],
        first + int(usable[-1]),
    )


def rise(levels: np.ndarray, weeks: int) -> float:
    """Factor by which the level rose within `weeks`, not exceeded in 95 % of history; 1 at least."""
    if weeks <= 0 or len(levels) <= weeks + 4:
        weeks = max(1, min(weeks, len(levels) - 5)) if len(levels) > 5 else 0
    if weeks == 0:
        return 1.25  # too little history to say: a quarter on top
    change = levels[weeks:] / levels[:-weeks]
    change = change[np.isfinite(change)]
    return max(1.0, float(np.quantile(change, 0.95))) if len(change) else 1.25


def _fit(
    service: str,
    grid: Grid,
    zone: str,
    starts: pd.DatetimeIndex,
    minutes: float,
    carries: float,
    lost: float,
    stopped: bool,
) -> _Fit:
    shape, level, levels, last_week = expected(grid, zone)
    per_week, step_min = len(shape), grid.step_us / 6e7
    if np.isnan(carries):
        # What it is known to have carried, of late: before a season capacity is often enlarged and then taken back.
        carries = float(np.nanmax(grid.kept[-PROVEN * per_week :]))
    ahead = int(np.ceil((MAX_DRAIN_MIN + minutes) / step_min)) + 1
    first_us = starts.as_unit("us").asi8
    place = (local(first_us, zone) + MONDAY_US) // grid.step_us
    weeks = place // per_week - last_week
    factor = {int(w): level * rise(levels, int(w)) for w in np.unique(weeks)}
    scale = np.array([factor[int(w)] for w in weeks])
    load = shape[(place[:, None] + np.arange(ahead)) % per_week] * scale[:, None]
    begins = (local(first_us, zone) + MONDAY_US) % grid.step_us / 6e7
    edge = np.arange(ahead) * step_min - begins[:, None]  # minutes from the start of the fault
    stands = np.clip(np.minimum(edge + step_min, minutes) - np.maximum(edge, 0), 0, None)
    worst = np.where(stands > 0, load, -np.inf).max(axis=1)
    room = 1 - worst / (carries * (1 - lost)) if not stopped else 1 - worst / carries
    if not stopped:
        return _Fit(room, *np.full((2, len(starts)), np.nan))
    return _Fit(room, *_queue(load / step_min, carries / step_min, edge, stands, minutes))


def _queue(
    load: np.ndarray, carries: float, edge: np.ndarray, stands: np.ndarray, minutes: float
) -> tuple[np.ndarray, np.ndarray]:
    """Messages waiting when the consumers start again, and minutes until they are worked off (infinite: not within sight).

    `load` (starts, intervals) and `carries` per minute; `edge`: minutes from the start to each interval; `stands`: minutes
    of it in which nothing is taken. An interval of which no load is known works nothing off.
    """
    step = edge[0, 1] - edge[0, 0]
    backlog = np.where(stands > 0, load * stands, 0.0).sum(axis=1)
    spare = np.nan_to_num(carries - load)
    worked = np.cumsum(spare * (np.minimum(edge + step, step) - stands), axis=1)
    done = (worked >= backlog[:, None]) & (spare > 0)
    at = np.arange(len(done)), np.argmax(done, axis=1)
    surplus = np.divide(worked[at] - backlog, spare[at], out=np.zeros(len(done)), where=done[at])
    drain = np.where(done.any(axis=1), np.maximum(edge[at] + step - minutes - surplus, 0), np.inf)
    return backlog, np.where(backlog > 0, drain, np.where(np.isnan(backlog), np.inf, 0.0))


def _grid_of(series: Series, service: str) -> Grid:
    fitting = [g for g in series.grids if f"service:{service}" in g.scope.split(",") or g.scope == service]
    if not fitting and (error := series.refused.get(f"service:{service}", series.refused.get(service))):
        raise error
    if len(fitting) != 1:
        what = (
            "no series"
            if not fitting
            else f"{len(fitting)} series ({', '.join(g.scope for g in fitting[:3])})"
        )
        raise InputError(
            f"{service} has {what} of {series.metric}: its room cannot be judged.",
            remedy="Choose a metric that has one series per service.",
        )
    return fitting[0]


def _starts(between: tuple[pd.Timestamp, pd.Timestamp], every_min: int, zone: str) -> pd.DatetimeIndex:
    first, last = (pd.Timestamp(t) for t in between)
    if first.tzinfo is None or last.tzinfo is None or not first < last:
        raise InputError(
            "There is no time between the two moments.", remedy="Give aware times, start before end."
        )
    step = every_min * 60_000_000
    offset = int(local(np.array([micros(first)]), zone)[0]) - micros(first)
    begin = -(-(micros(first) + offset) // step) * step - offset
    us = np.arange(begin, min(micros(last), micros(first) + 370 * DAY_US), step)
    return pd.DatetimeIndex(us.astype("datetime64[us]"), tz="UTC")


def _open(
    incidents: pd.DataFrame | None, targets: Collection[str], now: pd.Timestamp
) -> tuple[str | None, str | None]:
    """Open incidents that concern the targets, and the condition that they put on every later window."""
    if incidents is None or incidents.empty:
        return None, None
    rows = incidents[
        (incidents["kind"] == "real")
        & (incidents["started_at"] <= now)
        & (incidents["started_at"] > now - RECENT)
        & ~(incidents["resolved_at"] <= now)
        & ~(incidents["mitigated_at"] <= now)
    ]
    named = rows["services"].fillna("").str.split(", ")
    concerned = [not any(s) or bool(set(s) & set(targets)) for s in named]
    severe = rows["severity"].fillna("").str.fullmatch(r"(?i)sev-?\s*[12]|p[12]|major|critical")
    ids = sorted(rows.loc[np.asarray(concerned, dtype=bool) | severe.to_numpy(dtype=bool), "incident_id"])
    if not ids:
        return None, None
    return ", ".join(ids), f"only once {', '.join(ids)} is over"


def _spent(slo_history: pd.DataFrame | None, targets: Collection[str]) -> list[tuple[pd.Timestamp, str]]:
    """Moments until which an exhausted error budget closes all windows, and why."""
    if slo_history is None or slo_history.empty:
        return []
    rows = slo_history[slo_history["service"].isin(list(targets)) & slo_history["value_percent"].notna()]
    rows = rows.sort_values("until_at").drop_duplicates("slo_id", keep="last")
    rows = rows[rows["value_percent"] < rows["target_percent"]]
    return [
        (
            row.until_at + pd.Timedelta(days=30),
            f"error budget spent: {row.name_} at {row.value_percent:.3g} % of {row.target_percent:.3g} %",
        )
        for row in rows.rename(columns={"name": "name_"}).itertuples()
    ]


def _text(
    table: pd.DataFrame,
    targets: Collection[str],
    limits: Mapping[str, float],
    support_known: bool,
    calendar: pd.DataFrame,
    slo_history: pd.DataFrame | None,
    zone: str,
) -> str:
    safe = table[table["safe"]]
    what = f"{len(safe)} of {len(table)} starts are safe for {', '.join(targets)}"
    if len(safe):
        best = safe.loc[safe["room"].idxmax()]
        local_start = best["starts_at"].tz_convert(zone)
        what += f"; most room: {local_start:%A %Y-%m-%d %H:%M} ({zone}), "
        what += f"{best['room']:.0%} of what the fault leaves stays free"
    else:
        reasons = table["reason"].str.split(":").str[0].value_counts()
        what += "".join(f"; {n} {why}" for why, n in reasons.head(3).items())
    missing = []
    if without := [t for t in targets if t not in limits]:
        missing.append(
            f"no limit is known for {', '.join(without)}: only what the last 13 weeks carried counts as room"
        )
    if not support_known:
        missing.append("support hours are not stated, so they were not checked")
    if not calendar["kind"].isin(business.CLOSED).any():
        missing.append("the calendar names no freeze and no sale")
    if slo_history is None or slo_history.empty:
        missing.append("no error budget is known")
    return ". ".join([what, *(m[0].upper() + m[1:] for m in missing)]) + "."
