"""A series as an even grid of intervals: what is there, what is missing, what is left out, and its local week."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError
from . import baseline

SLOTS = 168  # hours of a week; 0 is Monday 00:00 local
GRID_FACTOR = 1000  # more intervals than this per point is an error of the clock, not a gap
QUARTER_US, HOUR_US, DAY_US, WEEK_US = 900_000_000, 3_600_000_000, 86_400_000_000, 604_800_000_000
MONDAY_US = 3 * DAY_US  # 1970-01-01 was a Thursday

Span = tuple[pd.Timestamp, pd.Timestamp]
Spans = Iterable[Span] | Mapping[str, Iterable[Span]]
"""Spans of every scope, or of the scopes of a service each, those of '' again of every scope."""


@dataclass(frozen=True)
class Grid:
    """One scope. `value`: one per interval of `step_us` from `start_us` (UTC microseconds) to its last point, NaN where

    no finite value is known. `cut`: half-open ranges of indices that were asked to be left out, apart and in order.
    `times` is None on an even grid; else the times of points that lie on none, and nothing can be called missing.
    """

    scope: str
    start_us: int
    step_us: int
    value: np.ndarray
    cut: tuple[tuple[int, int], ...] = ()
    times: np.ndarray | None = None

    @property
    def edges(self) -> np.ndarray:
        """Left edge of each interval, UTC microseconds."""
        if self.times is not None:
            return self.times
        return self.start_us + self.step_us * np.arange(len(self.value))

    @property
    def kept(self) -> np.ndarray:
        """`value` with NaN where it was left out."""
        if not self.cut:
            return self.value
        value = self.value.copy()
        for first, last in self.cut:
            value[first:last] = np.nan
        return value

    @property
    def end_us(self) -> int:
        """Where the last interval begins."""
        return (
            int(self.times[-1])
            if self.times is not None
            else self.start_us + self.step_us * (len(self.value) - 1)
        )


@dataclass(frozen=True)
class Series:
    """Grids of one metric in order of scope, with what they share. `refused`: why another scope has none."""

    metric: str
    grids: list[Grid]
    step_us: int
    rollup: str
    unit: str
    refused: dict[str, RefusedError] = field(default_factory=dict)

    @property
    def aside(self) -> str:
        """A sentence, with a space before it, about the scopes refused; nothing where there are none."""
        return aside(self.refused)


def read(
    series: pd.DataFrame,
    metric: str,
    scope: str | Iterable[str] | None = None,
    exclude: Spans | None = None,
    *,
    irregular: bool = False,
) -> Series:
    """The grids of `metric` in `series` (columns of that table), of all scopes where `scope` is None.

    Raises InputError where there is nothing, and RefusedError where intervals, rollups or units are mixed. A scope is
    refused where points repeat, a count only ever rises (a counter that nobody took the rate of), or points lie off their
    grid (which `irregular` lets pass): that is raised too where no other is left.
    """
    rows = chosen(series, metric, scope)
    shared = {name: single(rows, metric, name) for name in ("interval_s", "rollup", "unit")}
    step = round(float(shared["interval_s"]) * 1e6)
    code, names = _runs(rows["scope"])
    at = rows["at"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    value = rows["value"].to_numpy(dtype=float)
    gap = np.diff(at)
    edges = np.flatnonzero(np.diff(code)) + 1
    within = np.ones(len(gap), dtype=bool)
    within[edges - 1] = False
    if len(edges) + 1 > len(names) or (gap[within] < 0).any():
        order = np.lexsort((at, code))
        code, at, value = code[order], at[order], value[order]
        edges = np.flatnonzero(np.diff(code)) + 1
    starts, ends = np.r_[0, edges], np.r_[edges, len(at)]
    of = _by_scope(exclude)
    grids: list[Grid] = []
    refused: dict[str, RefusedError] = {}
    rollup = str(shared["rollup"])
    for first, last in zip(starts, ends, strict=True):
        name = names[code[first]]
        try:
            grid = _one(name, at[first:last], value[first:last], step, of(name), metric, irregular)
            refuse_counter(metric, rollup, name, grid.value)
        except RefusedError as error:
            refused[name] = error
            continue
        grids.append(grid)
    if not grids:
        raise next(iter(refused.values()))
    unit = "" if pd.isna(shared["unit"]) else str(shared["unit"])
    return Series(metric, sorted(grids, key=lambda g: g.scope), step, rollup, unit, refused)


def aside(refused: Mapping[str, RefusedError]) -> str:
    """See `Series.aside`."""
    if not refused:
        return ""
    scope, why = min(refused.items())
    more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
    return f" Left aside, since it cannot be read: {scope}{more}. {why}"


def of_points(
    scope: str,
    at: np.ndarray,
    value: np.ndarray,
    step_us: int,
    exclude: Spans | None = None,
    *,
    metric: str = "",
    rollup: str = "sum",
) -> Grid:
    """The grid of one scope from its times (UTC microseconds, ascending) and values; refusals as `read` one by one."""
    found = _one(scope, at, value, step_us, _by_scope(exclude)(scope), metric, irregular=True)
    refuse_counter(metric, rollup, scope, found.value)
    return found


def chosen(series: pd.DataFrame, metric: str, scope: str | Iterable[str] | None) -> pd.DataFrame:
    is_it = (series["metric"] == metric).to_numpy()
    rows = series if is_it.all() else series[is_it]
    if rows.empty:
        have = ", ".join(map(str, series["metric"].unique()[:5])) or "none"
        raise InputError(f"There is no series of {metric}.", remedy=f"Metrics here: {have}.")
    if scope is None:
        return rows
    wanted = sorted({scope} if isinstance(scope, str) else set(scope))
    absent = sorted(set(wanted) - set(rows["scope"].unique()))
    if absent:
        raise InputError(
            f"{metric} has no scope {', '.join(absent[:5])}.", remedy="Choose scopes that it has."
        )
    return rows[rows["scope"].isin(wanted)]


def single(rows: pd.DataFrame, metric: str, column: str) -> Any:
    """What all `rows` of a metric have in `column`: interval_s, rollup or unit. Raises RefusedError where they differ."""
    why = {
        "interval_s": "a mean at one hour is not a mean at one minute",
        "rollup": "an average and a maximum are not one series",
        "unit": "different units do not add up",
    }[column]
    found = rows[column].unique()
    if len(found) > 1:
        raise RefusedError(
            f"{metric} comes with {column} {' and '.join(str(f) for f in sorted(map(str, found)))}: {why}.",
            remedy=f"Choose the rows of one {column}.",
        )
    return found[0]


def _runs(names: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Code per row and the names they stand for: rows that follow one another mostly have the same."""
    codes, found = pd.factorize(names, sort=True)
    return codes, [str(n) for n in found]


def _one(
    name: str,
    at: np.ndarray,
    value: np.ndarray,
    step: int,
    spans: list[tuple[int, int]],
    metric: str,
    irregular: bool,
) -> Grid:
    gap = np.diff(at)
    if (twice := int((gap == 0).sum())) > 0:
        raise RefusedError(
            f"{metric}: {twice} point(s) stand twice at the same time and scope.",
            remedy="Keep one source of each series.",
        )
    even = len(gap) == 0 or bool((gap == step).all())
    finite = np.isfinite(value)
    if not finite.all():
        value = np.where(finite, value, np.nan)
    if even:
        return Grid(name, int(at[0]), step, value, _ranges(spans, int(at[0]), step, len(value)))
    if (off := int((gap % step != 0).sum())) > 0:
        if irregular:
            return Grid(name, int(at[0]), step, value, _ranges_at(spans, at, step), at)
        raise RefusedError(
            f"{metric}: {off} point(s) lie off the grid of {step / 1e6:g} s.",
            remedy="State the interval that the points have, or resample them where they come from.",
        )
    length = int(at[-1] - at[0]) // step + 1
    if length > max(GRID_FACTOR * len(at), 1_000_000):
        raise RefusedError(
            f"{metric}: {len(at)} points on a grid of {length} intervals of {step / 1e6:g} s.",
            remedy="The interval or a time is probably wrong; correct it, or give a shorter period.",
        )
    full = np.full(length, np.nan)
    full[(at - at[0]) // step] = value
    return Grid(name, int(at[0]), step, full, _ranges(spans, int(at[0]), step, length))


def refuse_counter(metric: str, rollup: str, scope: str, values: np.ndarray) -> None:
    """Raises RefusedError for a running count. What was summed or counted per interval is none, whatever it looks like."""
    if rollup not in ("sum", "count") and (resets := baseline.resets(values)):
        raise RefusedError(
            f"{metric} on {scope} only rises, and falls to nothing {resets} time(s): a running count.",
            remedy=baseline.TAKE_RATE,
        )


def _by_scope(exclude: Spans | None) -> Callable[[str], list[tuple[int, int]]]:
    """Scope -> what is left out of it."""
    if not isinstance(exclude, Mapping):
        merged = _merged(exclude)
        return lambda scope: merged
    every = list(exclude.get("", ()))
    for spans in exclude.values():
        _merged(spans)  # refused even where no scope is concerned

    def of(scope: str) -> list[tuple[int, int]]:
        names = {tag.removeprefix("service:") for tag in scope.split(",")}
        return _merged([*every, *(span for name in sorted(names - {""}) for span in exclude.get(name, ()))])

    return of


def _merged(spans: Iterable[Span] | None) -> list[tuple[int, int]]:
    """Spans as UTC microseconds, in order, overlaps joined."""
    found = []
    for start, end in spans or ():
        low, high = (pd.Timestamp(t) for t in (start, end))
        if low.tzinfo is None or high.tzinfo is None or not low < high:
            raise InputError(
                f"Span {start} to {end} cannot be left out.", remedy="Give aware times, start before end."
            )
        found.append((micros(low), micros(high)))
    joined: list[tuple[int, int]] = []
    for low_us, high_us in sorted(found):
        if joined and low_us <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high_us, joined[-1][1]))
        else:
            joined.append((low_us, high_us))
    return joined


def micros(at: pd.Timestamp) -> int:
    """UTC microseconds of an aware timestamp."""
    return int(at.as_unit("us").asm8.astype(np.int64))


def _ranges(spans: list[tuple[int, int]], start: int, step: int, length: int) -> tuple[tuple[int, int], ...]:
    """Indices of intervals that the spans touch: one that is only cut into is tainted too."""
    found: list[tuple[int, int]] = []
    for low, high in spans:
        first = max((low - step - start) // step + 1, 0)
        last = min(-(-(high - start) // step), length)
        if found and first < found[-1][1]:
            first = found[-1][1]
        if first < last:
            found.append((int(first), int(last)))
    return tuple(found)


def _ranges_at(spans: list[tuple[int, int]], at: np.ndarray, step: int) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for low, high in spans:
        first = int(np.searchsorted(at, low - step, side="right"))
        last = int(np.searchsorted(at, high, side="left"))
        if found and first < found[-1][1]:
            first = found[-1][1]
        if first < last:
            found.append((first, last))
    return tuple(found)


@lru_cache(maxsize=64)
def offsets(first_us: int, last_us: int, zone: str) -> tuple[tuple[int, int, int], ...]:
    """Stretches (from, to, offset) in UTC microseconds, half-open, in which `zone` keeps one offset from UTC.

    They cover all quarters of an hour from the one of `first_us` to the one of `last_us`.
    """
    try:
        tz = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"There is no time zone '{zone}'.", remedy="Use an IANA name such as Europe/Berlin."
        ) from error
    quarters = np.arange(first_us // QUARTER_US, last_us // QUARTER_US + 1) * QUARTER_US
    utc = pd.DatetimeIndex(quarters.astype("datetime64[us]"), tz="UTC")
    offset = utc.tz_convert(tz).tz_localize(None).asi8 - utc.asi8
    edges = np.flatnonzero(np.diff(offset)) + 1
    starts = np.r_[0, edges]
    ends = np.r_[quarters[edges], quarters[-1] + QUARTER_US]
    return tuple((int(quarters[i]), int(end), int(offset[i])) for i, end in zip(starts, ends, strict=True))


def local(at: np.ndarray, zone: str) -> np.ndarray:
    """Wall-clock microseconds of UTC microseconds."""
    if len(at) == 0:
        return at
    pieces = offsets(int(at.min()), int(at.max()), zone)
    starts = np.array([p[0] for p in pieces])
    shift = np.array([p[2] for p in pieces])
    return at + shift[np.searchsorted(starts, at, side="right") - 1]


def hour_of_week(at: np.ndarray, zone: str) -> np.ndarray:
    """Hour of the local week of UTC microseconds: 0 is Monday 00:00."""
    return (local(at, zone) + MONDAY_US) // HOUR_US % SLOTS
