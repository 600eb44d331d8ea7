"""What a series was expected to be at each point, from earlier points alone: robust, by hour of the week.

A series is cut into blocks of an hour (of one interval, where that is longer). A block's median is compared with the
median of the same hour in the weeks before, or of the same hour of the days before while weeks are few. Nothing at or
after a block enters what is expected of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..errors import InputError, RefusedError

HOUR_US, DAY_US, WEEK_US = 3_600_000_000, 86_400_000_000, 604_800_000_000
WEEKS, MIN_WEEKS = 8, 3  # weeks that are looked back, and that must hold the hour
DAYS, MIN_DAYS = 28, 2
MIN_BLOCKS = 3  # blocks of history before anything is expected at all
FALLS, _PREFIX = 0.02, 1 << 16  # largest share of falls that are resets of a running count
TAKE_RATE = "Take its rate where it comes from, e.g. as_count() or per_second() in Datadog."
LARGEST = 1e100
MAX_BLOCKS = 2_000_000  # 228 years of hours: more is an error of the clock


@dataclass(frozen=True)
class Blocks:
    """A series cut by the clock. `of`: block of each point, from 0; `sizes`: points per block; `median`: null without any.

    `per_day`, `per_week`: blocks in a day and a week, 0 where blocks do not divide them; `day`: day of each block.
    """

    of: np.ndarray
    sizes: np.ndarray
    median: np.ndarray
    per_day: int
    per_week: int
    day: np.ndarray


def microseconds(at: object) -> np.ndarray:
    """UTC microseconds of `at`: aware datetimes, or naive ones, which are taken as UTC. Raises InputError for nulls."""
    import pandas as pd

    if isinstance(at, np.ndarray) and at.dtype.kind == "M":  # some thousand times per run: no index for each
        if np.isnat(at).any():
            raise InputError("A point has no time.", remedy="Remove points without a time, or give them one.")
        return at.astype("datetime64[us]").view(np.int64)
    index = at if isinstance(at, pd.DatetimeIndex) else pd.DatetimeIndex(at)
    if index.hasnans:
        raise InputError("A point has no time.", remedy="Remove points without a time, or give them one.")
    return index.asi8 if index.unit == "us" else index.as_unit("us").asi8


def values_of(values: object) -> np.ndarray:
    """`values` as floats, null where they are not finite: an infinity, or what squares to one, is a failed measurement."""
    import pandas as pd

    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        found = values
    else:
        found = pd.to_numeric(pd.Series(values), errors="raise").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.abs(found) < LARGEST, found, np.nan)


def resets(values: np.ndarray) -> int:
    """How often a running count was reset; 0 for what is none: it rises nearly always, and falls to nearly nothing only."""
    begin = values[: _PREFIX + 1]
    if (begin[1:] < begin[:-1]).sum() > FALLS * len(values):  # no need to look further
        return 0
    value = values[~np.isnan(values)]
    if len(value) < 48:
        return 0
    change = np.diff(value)
    falls = change < 0
    if not 0 < falls.sum() <= FALLS * len(change):
        return 0
    found = int((falls & (value[1:] <= 0.1 * value[:-1])).sum())
    return found if falls.sum() == found and (change > 0).mean() > 0.8 else 0


def interval_us(at: np.ndarray) -> int:
    """The usual distance between points, in microseconds; an hour where there are fewer than two."""
    steps = np.diff(at)
    steps = np.sort(steps[steps > 0])
    return int(steps[(len(steps) - 1) // 2] + steps[len(steps) // 2]) // 2 if len(steps) else HOUR_US


def blocks(values: np.ndarray, at: np.ndarray, interval: int) -> Blocks:
    """Cut a series in order of time; `at` in microseconds, `interval` the usual distance of its points."""
    length = HOUR_US if interval <= HOUR_US else interval
    first = at[0] // length
    of = at // length - first
    count = int(of[-1]) + 1
    if count > max(MAX_BLOCKS, 1000 * len(at)):
        raise RefusedError(
            f"{len(at)} points lie {(at[-1] - at[0]) / DAY_US:.0f} days apart.",
            remedy="A time is probably wrong; correct it, or give a shorter period.",
        )
    per_day = DAY_US // length if DAY_US % length == 0 and length <= DAY_US // 2 else 0
    per_week = WEEK_US // length if WEEK_US % length == 0 and length <= WEEK_US // 2 else 0
    day = (
        (np.arange(count) + first % per_day) // per_day
        if per_day
        else (np.arange(count) + first) * length // DAY_US
    )
    sizes = np.bincount(of, minlength=count)
    return Blocks(of, sizes, _medians(values, of, sizes), per_day, per_week, day - day[0])


def _medians(values: np.ndarray, of: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Median by block of `sizes` points; complete ones without nulls are reshaped, which is several times faster."""
    count = len(sizes)
    if count == len(values) and (sizes == 1).all():
        return values.copy()
    size = int(sizes.max())
    whole = slice(int(sizes[0]), len(values) - int(sizes[-1]))
    if count > 2 and (sizes[1:-1] == size).all() and not np.isnan(values).any():
        parts = values[: whole.start][None], values[whole].reshape(-1, size), values[whole.stop :][None]
        ranked = [np.sort(part, axis=1) for part in parts]
        return np.concatenate([(r[:, (n - 1) // 2] + r[:, n // 2]) / 2 for r in ranked for n in r.shape[1:]])
    known = ~np.isnan(values)
    place, value = of[known], values[known]
    ranked = value[np.lexsort((value, place))]
    sizes = np.bincount(place, minlength=count)
    start = np.cumsum(sizes) - sizes
    found = np.full(count, np.nan)
    held = sizes > 0
    low, high = start[held] + (sizes[held] - 1) // 2, start[held] + sizes[held] // 2
    found[held] = (ranked[low] + ranked[high]) / 2
    return found


def expected(cut: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per block: its level (median of the four weeks before, by day); what its hour of the week is expected to be.

    The second falls back to the hour of the day and then to the level while history is short; null without history. The
    third says where it did not have to.
    """
    level = _level(cut)
    season = weekly(cut)
    by_week = ~np.isnan(season)
    missing = np.flatnonzero(~by_week)
    if cut.per_day and len(missing):
        season[missing] = _lagged(cut.median, cut.per_day, DAYS, MIN_DAYS, missing)
    return level, np.where(np.isnan(season), level, season), by_week


def _lagged(
    median: np.ndarray, lag: int, count: int, least: int, rows: np.ndarray | None = None
) -> np.ndarray:
    """Median of the values `lag`, 2 `lag`, ... `count` `lag` blocks before each of `rows`; null with fewer than `least`."""
    rows = np.arange(len(median)) if rows is None else rows
    count = min(count, int(rows[-1]) // lag) if len(rows) else 0
    if count < least:
        return np.full(len(rows), np.nan)
    padded = np.concatenate([np.full(count * lag, np.nan), median[: rows[-1]]])
    return middle(padded[rows + lag * np.arange(count)[:, None]], least)


def middle(table: np.ndarray, least: int = 1) -> np.ndarray:
    """Median of each column without its nulls; null where fewer than `least` values are left."""
    ranked = np.sort(table, axis=0)  # nulls last
    rows = len(table)
    found: np.ndarray = (ranked[(rows - 1) // 2] + ranked[rows // 2]) / 2
    column = np.flatnonzero(np.isnan(ranked[-1]))
    if len(column):  # mostly the beginning of a series
        some = ranked[:, column] if len(column) < ranked.shape[1] else ranked
        held = np.add.reduce(~np.isnan(some), axis=0, dtype=np.int32)
        place = np.arange(len(column))
        low, high = some[np.maximum(held - 1, 0) // 2, place], some[np.minimum(held // 2, rows - 1), place]
        found[column] = np.where(held >= least, (low + high) / 2, np.nan)
    return found if rows >= least else np.full(table.shape[1], np.nan)


def _level(cut: Blocks) -> np.ndarray:
    """Median of the daily medians of the four weeks before; within the first day, of the blocks before."""
    of_day = _lagged(_medians(cut.median, cut.day, np.bincount(cut.day)), 1, DAYS, 1)
    level = of_day[cut.day]
    first = int(np.searchsorted(cut.day, 0, side="right"))
    before = np.where(np.tri(first, k=-1, dtype=bool), cut.median[:first], np.nan)
    level[:first] = middle(before.T, MIN_BLOCKS)
    return level


def weekly(cut: Blocks) -> np.ndarray:
    """Per block, the median of the same hour of up to eight weeks before; null with fewer than three of them.

    Where all eight are known it is found by merging: of two sorted halves, what is not larger than the median is the
    smaller one of each pair of the first's ascending and the second's descending. Every half is in two windows.
    """
    lag, count = cut.per_week, len(cut.median)
    if not lag:
        return np.full(count, np.nan)
    found = np.full(count, np.nan)
    full = count - WEEKS * lag
    if full > 0:
        a, b = cut.median[:-lag], cut.median[lag:]
        low, high = np.minimum(a, b), np.maximum(a, b)  # of two weeks
        back = 2 * lag
        (a, c), (b, d) = (low[:-back], high[:-back]), (low[back:], high[back:])
        first, last = np.minimum(a, b), np.maximum(c, d)  # of four
        x, y = np.maximum(a, b), np.minimum(c, d)
        half = first, np.minimum(x, y), np.maximum(x, y), last
        old, new = [part[:full] for part in half], [part[4 * lag : 4 * lag + full] for part in half[::-1]]
        below = [np.minimum(p, q) for p, q in zip(old, new, strict=True)]
        above = [np.maximum(p, q) for p, q in zip(old, new, strict=True)]
        found[WEEKS * lag :] = (reduce(np.maximum, below) + reduce(np.minimum, above)) / 2
    some = np.flatnonzero(np.isnan(found[MIN_WEEKS * lag :])) + MIN_WEEKS * lag
    found[some] = _lagged(cut.median, lag, WEEKS, MIN_WEEKS, some)
    return found


def deseasoned(value: np.ndarray, time: np.ndarray, interval: int) -> np.ndarray:
    """Values less what their hour of the week was in the weeks before; as they are where that is not known."""
    if time[-1] - time[0] < (MIN_WEEKS + 1) * WEEK_US:
        return value
    cut = blocks(value, time, interval)
    season = weekly(cut)[cut.of]
    return np.where(np.isnan(season), np.nan, value - season) if np.isfinite(season).any() else value
