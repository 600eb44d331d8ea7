"""What the week looks like: hour-of-week quantiles of a series in local time, and growth against the year before.

A gap stays a gap and is counted. Left for later, on purpose: headroom, what-ifs, backlog, safe windows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ..errors import InputError, RefusedError

SLOTS = 168  # hours of a week; 0 is Monday 00:00 local
QUANTILES = {"p10": 0.10, "p50": 0.50, "p90": 0.90, "p95": 0.95, "max": 1.0}
MIN_WEEKS = 8  # matched weeks below which growth is not measurable
MIN_COVERAGE = 0.8  # share of a week's intervals that must hold a value before its median is used
GRID_FACTOR = 1000  # more intervals than this per point is an error of the clock, not a gap
_QUARTER_US, _HOUR_US, _WEEK_US = 900_000_000, 3_600_000_000, 604_800_000_000
_MONDAY_US = 3 * 24 * _HOUR_US  # 1970-01-01 was a Thursday

Spans = Iterable[tuple[pd.Timestamp, pd.Timestamp]]


@dataclass(frozen=True)
class Profile:
    """The week of a metric. `table`: one row per scope and hour of week, 168 each, whether or not it was measured.

    Columns: scope, hour_of_week (0 = Monday 00:00 local), n (values used), n_missing (intervals between the first
    and last of the scope without a finite value), n_excluded (intervals left out on request), p10, p50, p90, p95,
    max in the unit of the metric; null where n is 0. `scopes`: one row per scope: first, last, n, n_missing,
    n_excluded, mean, max, peak_to_mean (null where the mean is not positive), busiest_hour (by p95).
    """

    table: pd.DataFrame
    text: str
    scopes: pd.DataFrame

    @property
    def peak_to_mean(self) -> pd.Series:
        """Highest value over mean value, by scope. An averaged rollup hides peaks: it is then a lower bound."""
        return self.scopes.set_index("scope")["peak_to_mean"]


@dataclass(frozen=True)
class Growth:
    """Weeks against the same weeks a year earlier. `table`: one row per scope: scope, n_weeks (pairs of weeks 52 weeks
    apart), growth_pct (median over pairs), low_pct and high_pct (10th and 90th percentile of pairs: a spread over
    weeks, not an interval of confidence), reason (why it is not measurable, else null)."""

    table: pd.DataFrame
    text: str


@dataclass(frozen=True)
class _Grid:
    """Every interval that each scope should have, in order of scope and time; `value` is null in a gap."""

    names: list[str]
    scope: np.ndarray  # index into names
    time: np.ndarray  # UTC microseconds
    value: np.ndarray
    excluded: np.ndarray
    interval_us: int
    rollup: str
    unit: str


def profile(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    scope: str | Iterable[str] | None = None,
    exclude: Spans | None = None,
) -> Profile:
    """Quantiles of `metric` by hour of the local week in `zone`, per scope (all scopes where `scope` is None).

    `series` has the columns of that table; `exclude` holds (start, end) spans, aware and half-open, whose intervals
    are left out and counted: sales, GameDays, incidents. An hour that the clock repeats in autumn counts twice, one
    that it skips in spring not at all. Quantiles interpolate linearly between values (Hyndman and Fan's type 7).
    Raises InputError where there is nothing to profile and RefusedError where intervals, rollups or units are
    mixed, points repeat or lie off their grid, or an interval is longer than an hour.
    """
    grid = _grid(series, metric, scope, exclude)
    if grid.interval_us > _HOUR_US:
        raise RefusedError(
            f"{metric} has intervals of {grid.interval_us / _HOUR_US:g} hours: the hours of a week cannot be told apart.",
            remedy="Give it at an hour or finer.",
        )
    slot = (_local(grid.time, zone) + _MONDAY_US) // _HOUR_US % SLOTS
    cell = grid.scope * SLOTS + slot
    cells = len(grid.names) * SLOTS
    used = ~grid.excluded & ~np.isnan(grid.value)
    table = pd.DataFrame(
        {
            "scope": np.repeat(np.array(grid.names, dtype=object), SLOTS),
            "hour_of_week": np.tile(np.arange(SLOTS), len(grid.names)),
            "n": np.bincount(cell[used], minlength=cells),
            "n_missing": np.bincount(cell[~used & ~grid.excluded], minlength=cells),
            "n_excluded": np.bincount(cell[grid.excluded], minlength=cells),
        }
    ).astype({"scope": "str"})
    edges = np.searchsorted(grid.scope, np.arange(len(grid.names) + 1))
    pieces = [slice(*pair) for pair in pairwise(edges)]
    quantiles = [_quantiles(slot[p][used[p]], grid.value[p][used[p]]) for p in pieces]
    table[list(QUANTILES)] = np.concatenate(quantiles)
    scopes = _scopes(grid, used, table)
    return Profile(table, _profile_text(metric, zone, grid, scopes), scopes)


def growth(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    scope: str | Iterable[str] | None = None,
    exclude: Spans | None = None,
) -> Growth:
    """Median of each local week of `metric` against the week 52 weeks earlier, per scope.

    A week counts where at least 80 % of its intervals hold a value, a pair where both weeks count and the earlier
    median is positive; with fewer than eight pairs growth is not measurable. Arguments and refusals as `profile`,
    without the limit on the interval.
    """
    grid = _grid(series, metric, scope, exclude)
    week = (_local(grid.time, zone) + _MONDAY_US) // _WEEK_US
    used = ~grid.excluded & ~np.isnan(grid.value)
    frame = pd.DataFrame({"scope": grid.scope[used], "week": week[used], "value": grid.value[used]})
    weekly = frame.groupby(["scope", "week"])["value"].agg(["median", "size"])
    medians = weekly.loc[weekly["size"] >= MIN_COVERAGE * _WEEK_US / grid.interval_us, "median"]
    rows = []
    for code, name in enumerate(grid.names):
        now = medians.xs(code) if code in medians.index.get_level_values(0) else pd.Series(dtype=float)
        pairs = (now / now.set_axis(now.index + 52).where(lambda m: m > 0)).dropna()
        found = (
            np.quantile(100 * (pairs - 1), [0.5, 0.1, 0.9]) if len(pairs) >= MIN_WEEKS else np.full(3, np.nan)
        )
        reason = (
            None
            if len(pairs) >= MIN_WEEKS
            else f"{len(pairs)} pairs of weeks a year apart; {MIN_WEEKS} are needed"
        )
        rows.append([name, len(pairs), *found, reason])
    table = pd.DataFrame(rows, columns=["scope", "n_weeks", "growth_pct", "low_pct", "high_pct", "reason"])
    table = table.astype({"scope": "str", "reason": "str"})
    known = table.dropna(subset="growth_pct")
    if len(known) == 1:
        row = known.iloc[0]
        text = (
            f"The median week of {metric} on {row['scope']} stood {row['growth_pct']:+.0f} % against the same week a "
            f"year earlier (nine weeks in ten below {row['high_pct']:+.0f} %, nine in ten above {row['low_pct']:+.0f} %; "
            f"{row['n_weeks']} pairs of weeks)."
        )
    elif len(known):
        low, high = known["growth_pct"].min(), known["growth_pct"].max()
        text = f"{metric} changed by {low:+.0f} % to {high:+.0f} % within a year on {len(known)} scopes."
    else:
        text = f"Growth of {metric} is not measurable: too few weeks a year apart."
    if len(known) and len(known) < len(table):
        text += f" Not measurable on {len(table) - len(known)} more."
    return Growth(table, text)


def _grid(
    series: pd.DataFrame, metric: str, scope: str | Iterable[str] | None, exclude: Spans | None
) -> _Grid:
    wanted = None if scope is None else sorted({scope} if isinstance(scope, str) else set(scope))
    rows = series[series["metric"] == metric]
    if rows.empty:
        have = ", ".join(map(str, series["metric"].unique()[:5])) or "none"
        raise InputError(f"There is no series of {metric}.", remedy=f"Metrics here: {have}.")
    if wanted is not None:
        absent = sorted(set(wanted) - set(rows["scope"]))
        if absent:
            raise InputError(
                f"{metric} has no scope {', '.join(absent[:5])}.", remedy="Choose scopes that it has."
            )
        rows = rows[rows["scope"].isin(wanted)]
    single = {}
    for column, why in (
        ("interval_s", "a mean at one hour is not a mean at one minute"),
        ("rollup", "an average and a maximum are not one series"),
        ("unit", "different units do not add up"),
    ):
        found = rows[column].unique()
        if len(found) > 1:
            raise RefusedError(
                f"{metric} comes with {column} {' and '.join(str(f) for f in sorted(map(str, found)))}: {why}.",
                remedy=f"Choose the rows of one {column}.",
            )
        single[column] = found[0]
    scope_code, names = pd.factorize(rows["scope"], sort=True)
    at = rows["at"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    step = round(float(single["interval_s"]) * 1e6)
    value = rows["value"].to_numpy(dtype=float)
    if (np.diff(at) < 0).any() or (np.diff(scope_code) < 0).any():
        order = np.lexsort((at, scope_code))
        scope_code, at, value = scope_code[order], at[order], value[order]
    same = scope_code[1:] == scope_code[:-1]
    gap = np.diff(at)
    if (same & (gap == 0)).any():
        raise RefusedError(
            f"{metric}: {int((same & (gap == 0)).sum())} point(s) stand twice at the same time and scope.",
            remedy="Keep one source of each series.",
        )
    if (same & (gap % step != 0)).any():
        raise RefusedError(
            f"{metric}: {int((same & (gap % step != 0)).sum())} point(s) lie off the grid of {step / 1e6:g} s.",
            remedy="State the interval that the points have, or resample them where they come from.",
        )
    starts = np.flatnonzero(np.r_[True, ~same])
    ends = np.r_[starts[1:], len(at)] - 1
    length = (at[ends] - at[starts]) // step + 1
    if length.sum() > max(GRID_FACTOR * len(at), 1_000_000):
        raise RefusedError(
            f"{metric}: {len(at)} points on a grid of {int(length.sum())} intervals of {step / 1e6:g} s.",
            remedy="The interval or a time is probably wrong; correct it, or give a shorter period.",
        )
    first = np.cumsum(length) - length
    full = np.full(int(length.sum()), np.nan)
    full[first[scope_code] + (at - at[starts][scope_code]) // step] = np.where(
        np.isfinite(value), value, np.nan
    )
    code = np.repeat(np.arange(len(names)), length)
    time = at[starts][code] + (np.arange(len(full)) - first[code]) * step
    unit = "" if pd.isna(single["unit"]) else str(single["unit"])
    excluded = _inside(time, exclude, step)
    return _Grid([str(n) for n in names], code, time, full, excluded, step, str(single["rollup"]), unit)


def _inside(at: np.ndarray, spans: Spans | None, step: int) -> np.ndarray:
    inside = np.zeros(len(at), dtype=bool)
    for start, end in spans or ():
        low, high = (pd.Timestamp(t) for t in (start, end))
        if low.tzinfo is None or high.tzinfo is None or not low < high:
            raise InputError(
                f"Span {start} to {end} cannot be left out.", remedy="Give aware times, start before end."
            )
        low_us, high_us = (int(t.as_unit("us").asm8.astype(np.int64)) for t in (low, high))
        inside |= (at + step > low_us) & (
            at < high_us
        )  # an interval that only touches the span is tainted too
    return inside


def _local(at: np.ndarray, zone: str) -> np.ndarray:
    """Wall-clock microseconds of UTC microseconds: the zone's offset is looked up once per UTC quarter of an hour."""
    try:
        tz = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"There is no time zone '{zone}'.", remedy="Use an IANA name such as Europe/Berlin."
        ) from error
    place = at // _QUARTER_US
    quarters = np.arange(place.min(), place.max() + 1) * _QUARTER_US
    utc = pd.DatetimeIndex(quarters.astype("datetime64[us]"), tz="UTC")
    offset = utc.tz_convert(tz).tz_localize(None).asi8 - utc.asi8
    return at + offset[place - place.min()]


def _quantiles(slot: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Quantiles (168, 5) of `value` by `slot`, by sorting: several times faster than a groupby of quantiles."""
    slot = slot.astype(np.uint8)  # small integers sort by radix
    parts = np.split(
        value[np.argsort(slot, kind="stable")], np.cumsum(np.bincount(slot, minlength=SLOTS))[:-1]
    )
    found = np.full((SLOTS, len(QUANTILES)), np.nan)
    levels = np.array(list(QUANTILES.values()))
    for hour, part in enumerate(parts):
        if len(part):
            ranked, rank = np.sort(part), levels * (len(part) - 1)
            low = np.floor(rank).astype(int)
            below, above = ranked[low], ranked[np.minimum(low + 1, len(part) - 1)]
            found[hour] = below + (above - below) * (rank - low)
    return found


def _scopes(grid: _Grid, used: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    size = len(grid.names)
    counts = table.groupby("scope", sort=False)[["n", "n_missing", "n_excluded"]].sum()
    code, value = grid.scope[used], grid.value[used]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(code, weights=value, minlength=size) / np.bincount(code, minlength=size)
    top = table.groupby("scope", sort=False)["max"].max().to_numpy()
    busiest = table["p95"].to_numpy().reshape(size, SLOTS)
    hour = [int(np.nanargmax(row)) if np.isfinite(row).any() else None for row in busiest]
    ends = np.flatnonzero(np.r_[np.diff(grid.scope) != 0, True])
    starts = np.r_[0, ends[:-1] + 1]
    return pd.DataFrame(
        {
            "scope": pd.Series(grid.names, dtype="str"),
            "first": pd.to_datetime(grid.time[starts], unit="us", utc=True).as_unit("us"),
            "last": pd.to_datetime(grid.time[ends], unit="us", utc=True).as_unit("us"),
            **{name: counts[name].to_numpy() for name in counts},
            "mean": mean,
            "max": top,
            "peak_to_mean": np.divide(top, mean, out=np.full(size, np.nan), where=mean > 0),
            "busiest_hour": pd.array(hour, dtype="Int64"),
        }
    )


def _profile_text(metric: str, zone: str, grid: _Grid, scopes: pd.DataFrame) -> str:
    n, missing, excluded = (int(scopes[c].sum()) for c in ("n", "n_missing", "n_excluded"))
    where = (
        f"{metric} on {scopes['scope'].iloc[0]}" if len(scopes) == 1 else f"{metric} on {len(scopes)} scopes"
    )
    if n == 0:
        return f"{where} has no value to show: {missing} intervals are missing and {excluded} were left out."
    best = scopes.iloc[int(scopes["peak_to_mean"].fillna(-np.inf).to_numpy().argmax())]
    says = f"{where}, {n} values"
    if pd.notna(best["peak_to_mean"]):
        busiest = int(best["busiest_hour"])
        day = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[busiest // 24]
        of = "" if len(scopes) == 1 else f" of {best['scope']}"
        says += (
            f": the highest{of} is {best['peak_to_mean']:.1f} times its mean, and the busiest hour of its week "
            f"begins {day} {busiest % 24:02d}:00 ({zone})"
        )
    says += "."
    says += f" Missing: {missing} of {n + missing} intervals." if missing else " No interval is missing."
    if excluded:
        says += f" Left out on request: {excluded}."
    if grid.rollup in ("avg", "unknown"):
        says += f" Values are {'averages' if grid.rollup == 'avg' else 'aggregated in an unknown way'} over "
        says += f"{grid.interval_us / 6e7:g} min: true peaks are higher."
    return says
