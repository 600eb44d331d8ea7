"""What the week looks like: quantiles of a series by hour of the local week. A gap stays a gap and is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..errors import RefusedError
from .grid import HOUR_US, MONDAY_US, SLOTS, WEEK_US, Grid, Spans, aside, hour_of_week, offsets, read
from .selection import row_quantiles

QUANTILES = {"p10": 0.10, "p50": 0.50, "p90": 0.90, "p95": 0.95, "max": 1.0}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Profile:
    """The week of a metric. `table`: one row per scope and hour of week, 168 each, whether or not it was measured.

    Columns: scope, hour_of_week (0 = Monday 00:00 local), n (values used), n_missing (intervals between the first
    and last of the scope without a finite value; null where points lie on no even grid), n_excluded (intervals left out
    on request), p10, p50, p90, p95, max in the unit of the metric; null where n is 0. `scopes`: one row per scope: first,
    last, n, n_missing, n_excluded, mean, max, peak_to_mean (null where the mean is not positive), busiest_hour (by p95;
    null where none is), excluded_max (highest value among those left out: the peak of events, null where there is none).
    `aside`: the part of `text` about scopes that cannot be read.
    """

    table: pd.DataFrame
    text: str
    scopes: pd.DataFrame
    aside: str = ""

    @property
    def peak_to_mean(self) -> pd.Series:
        """Highest value over mean value, by scope. An averaged rollup hides peaks: it is then a lower bound."""
        return self.scopes.set_index("scope")["peak_to_mean"]


@dataclass(frozen=True)
class Week:
    """One scope's quantiles (168, levels), counts (168,), and what `scopes` says of it; small, to be sent back."""

    scope: str
    first_us: int
    last_us: int
    quantiles: np.ndarray
    n: np.ndarray
    missing: np.ndarray
    excluded: np.ndarray
    total: float
    excluded_max: float


def profile(
    series: pd.DataFrame,
    zone: str,
    *,
    metric: str,
    scope: str | Iterable[str] | None = None,
    exclude: Spans | None = None,
    executor: Executor | None = None,
) -> Profile:
    """Quantiles of `metric` by hour of the local week in `zone`, per scope (all scopes where `scope` is None).

    `series` has the columns of that table; `exclude` holds (start, end) spans, aware and half-open, whose intervals
    are left out and counted: sales, GameDays, incidents. An hour that the clock repeats in autumn counts twice, one
    that it skips in spring not at all. Quantiles interpolate linearly between values (Hyndman and Fan's type 7). Points
    that lie on no even grid count one each, and none can be called missing. `executor` computes each scope apart, in
    processes or on a cluster; the result is the same.
    Raises InputError where there is nothing to profile and RefusedError where intervals, rollups or units are
    mixed, points repeat, a counter was never turned into a rate, or an interval is longer than an hour.
    """
    found = read(series, metric, scope, exclude, irregular=True)
    refuse_long(metric, found.step_us)
    apply = map if executor is None else executor.map
    weeks = list(apply(partial(week, zone=zone), found.grids))
    return assemble(metric, zone, found.rollup, found.step_us, weeks, found.refused)


def refuse_long(metric: str, step_us: int) -> None:
    """Raises RefusedError where an interval is longer than an hour."""
    if step_us > HOUR_US:
        raise RefusedError(
            f"{metric} has intervals of {step_us / HOUR_US:g} hours: the hours of a week cannot be told apart.",
            remedy="Give it at an hour or finer.",
        )


def week(grid: Grid, zone: str) -> Week:
    """Quantiles and counts of one scope by hour of the local week."""
    value = grid.kept
    hidden = [grid.value[a:b] for a, b in grid.cut]
    peak = max((float(np.nanmax(h)) for h in hidden if not np.isnan(h).all()), default=np.nan)
    levels = np.array(list(QUANTILES.values()))
    if grid.times is not None or HOUR_US % grid.step_us:
        return _scattered(grid, value, zone, levels, peak)
    table, total, excluded = _folded(grid, value, zone)
    quantiles, n = row_quantiles(table, levels)
    missing = total - excluded - n
    ends = grid.scope, grid.start_us, grid.end_us
    return Week(*ends, quantiles, n, missing.astype(float), excluded, _total(value), peak)


def _total(value: np.ndarray) -> float:
    total = float(value.sum())
    return float(np.nansum(value)) if np.isnan(total) else total  # which copies


def _folded(grid: Grid, value: np.ndarray, zone: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`value` by hour of week as rows (168, what fell into it), NaN where nothing did; intervals and cut ones by hour.

    Between two changes of the clock the local week repeats exactly, so that it is a matter of reshaping.
    """
    per_hour = HOUR_US // grid.step_us
    per_week = SLOTS * per_hour
    pieces = []
    for start, end, offset in offsets(grid.start_us, grid.end_us, zone):
        first = max(-(-(start - grid.start_us) // grid.step_us), 0)
        last = min(-(-(end - grid.start_us) // grid.step_us), len(value))
        if first < last:
            begins = (grid.start_us + first * grid.step_us + offset + MONDAY_US) % WEEK_US // grid.step_us
            pieces.append((first, last, int(begins)))
    weeks = [-(-(begins + last - first) // per_week) for first, last, begins in pieces]
    table = np.full((SLOTS, sum(weeks), per_hour), np.nan)
    total, excluded = np.zeros(SLOTS, dtype=np.int64), np.zeros(SLOTS, dtype=np.int64)
    column = 0
    for (first, last, begins), count in zip(pieces, weeks, strict=True):
        part = value[first:last]
        head = min((-begins) % per_week, len(part))
        body = (len(part) - head) // per_week
        if head:
            _place(table, column, begins, part[:head], per_hour)
        whole = part[head : head + body * per_week].reshape(body, SLOTS, per_hour)
        at = column + (1 if head else 0)
        table[:, at : at + body] = whole.transpose(1, 0, 2)
        if head + body * per_week < len(part):
            _place(table, at + body, 0, part[head + body * per_week :], per_hour)
        total += _by_hour(begins, begins + last - first, per_hour)
        for low, high in grid.cut:
            low, high = max(low, first), min(high, last)
            if low < high:
                excluded += _by_hour(begins + low - first, begins + high - first, per_hour)
        column += count
    return table.reshape(SLOTS, -1), total, excluded


def _place(table: np.ndarray, column: int, begins: int, part: np.ndarray, per_hour: int) -> None:
    row = np.full(SLOTS * per_hour, np.nan)
    row[begins : begins + len(part)] = part
    table[:, column] = row.reshape(SLOTS, per_hour)


def _by_hour(first: int, last: int, per_hour: int) -> np.ndarray:
    """How many of the intervals `first` to `last`, counted from a Monday 00:00, lie in each hour of the week."""

    def until(end: int) -> np.ndarray:
        weeks, rest = divmod(end, SLOTS * per_hour)
        return weeks * per_hour + np.clip(rest - per_hour * np.arange(SLOTS), 0, per_hour)

    return until(last) - until(first)


def _scattered(grid: Grid, value: np.ndarray, zone: str, levels: np.ndarray, peak: float) -> Week:
    """The same without a grid that fits into hours: values are sorted by hour first."""
    slot = hour_of_week(grid.edges, zone)
    used = ~np.isnan(value)
    cut = np.zeros(len(value), dtype=bool)
    for first, last in grid.cut:
        cut[first:last] = True
    n = np.bincount(slot[used], minlength=SLOTS)
    order = np.argsort(slot[used].astype(np.uint8), kind="stable")
    table = np.full((SLOTS, int(n.max(initial=0))), np.nan)
    place = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
    table[slot[used][order], place] = value[used][order]
    quantiles, _ = row_quantiles(table, levels)
    missing = np.bincount(slot[~used & ~cut], minlength=SLOTS).astype(float)
    if grid.times is not None:
        missing[:] = np.nan
    excluded = np.bincount(slot[cut], minlength=SLOTS)
    ends = grid.scope, grid.start_us, grid.end_us
    return Week(*ends, quantiles, n, missing, excluded, _total(value), peak)


def assemble(
    metric: str,
    zone: str,
    rollup: str,
    step_us: int,
    weeks: list[Week],
    refused: Mapping[str, RefusedError],
) -> Profile:
    """The profile of several scopes, each computed apart, in order of scope; `refused`: of which there is none, and why."""
    if not weeks:
        raise next(iter(refused.values()))
    names = [w.scope for w in weeks]
    table = pd.DataFrame(
        {
            "scope": pd.Series(np.repeat(np.array(names, dtype=object), SLOTS), dtype="str"),
            "hour_of_week": np.tile(np.arange(SLOTS), len(names)),
            "n": np.concatenate([w.n for w in weeks]),
            "n_missing": _counted(np.concatenate([w.missing for w in weeks])),
            "n_excluded": np.concatenate([w.excluded for w in weeks]),
        }
    )
    table[list(QUANTILES)] = np.concatenate([w.quantiles for w in weeks])
    scopes = _scopes(weeks)
    left = aside(refused)
    return Profile(table, _text(metric, zone, rollup, step_us, scopes) + left, scopes, left)


def _counted(missing: np.ndarray) -> pd.Series:
    """Whole numbers; where some cannot be counted, null."""
    if np.isnan(missing).any():
        return pd.Series(missing).astype("Int64")
    return pd.Series(missing.astype(np.int64))


def _scopes(weeks: list[Week]) -> pd.DataFrame:
    n = np.array([w.n.sum() for w in weeks])
    top = np.array([_most(w.quantiles[:, -1]) for w in weeks])
    mean = np.divide([w.total for w in weeks], n, out=np.full(len(n), np.nan), where=n > 0)
    busiest = [_busiest(w.quantiles[:, list(QUANTILES).index("p95")]) for w in weeks]
    ends = {"first": [w.first_us for w in weeks], "last": [w.last_us for w in weeks]}
    return pd.DataFrame(
        {
            "scope": pd.Series([w.scope for w in weeks], dtype="str"),
            **{name: pd.to_datetime(at, unit="us", utc=True).as_unit("us") for name, at in ends.items()},
            "n": n,
            "n_missing": _counted(np.array([w.missing.sum() for w in weeks])),
            "n_excluded": [int(w.excluded.sum()) for w in weeks],
            "mean": mean,
            "max": top,
            "peak_to_mean": np.divide(top, mean, out=np.full(len(n), np.nan), where=mean > 0),
            "busiest_hour": pd.array(busiest, dtype="Int64"),
            "excluded_max": [w.excluded_max for w in weeks],
        }
    )


def _most(values: np.ndarray) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else np.nan


def _busiest(values: np.ndarray) -> int | None:
    """Hour of the week with the highest of `values`; None where no hour has more than another."""
    known = values[np.isfinite(values)]
    return int(np.nanargmax(values)) if len(known) and known.min() < known.max() else None


def hour_name(hour: int) -> str:
    """Hour of the week as people say it: 'Monday 08:00'."""
    return f"{DAYS[hour // 24]} {hour % 24:02d}:00"


def _text(metric: str, zone: str, rollup: str, step_us: int, scopes: pd.DataFrame) -> str:
    n, excluded = int(scopes["n"].sum()), int(scopes["n_excluded"].sum())
    counted = scopes["n_missing"].notna()
    missing = int(scopes["n_missing"].sum())
    where = (
        f"{metric} on {scopes['scope'].iloc[0]}" if len(scopes) == 1 else f"{metric} on {len(scopes)} scopes"
    )
    if n == 0:
        return f"{where} has no value to show: {missing} intervals are missing and {excluded} were left out."
    best = scopes.iloc[int(scopes["peak_to_mean"].fillna(-np.inf).to_numpy().argmax())]
    says = f"{where}, {n} values"
    if pd.notna(best["peak_to_mean"]):
        of = "" if len(scopes) == 1 else f" of {best['scope']}"
        says += f": the highest{of} is {best['peak_to_mean']:.1f} times its mean, and "
        if pd.isna(best["busiest_hour"]):
            says += "no hour of its week is known to be busier than another"
        else:
            says += f"the busiest hour of its week begins {hour_name(int(best['busiest_hour']))} ({zone})"
    says += "."
    if counted.any():
        of_all = n + missing - int(scopes.loc[~counted, "n"].sum())
        says += f" Missing: {missing} of {of_all} intervals." if missing else " No interval is missing."
    if not counted.all():
        says += f" On {int((~counted).sum())} scope(s) points come at uneven times: each counts once, none can be missing."
    if excluded:
        says += f" Left out on request: {excluded}."
        if scopes["excluded_max"].notna().any():
            most = scopes.loc[scopes["excluded_max"].idxmax()]
            says += f" The highest among them was {most['excluded_max']:.4g}"
            says += " there." if len(scopes) == 1 else f", on {most['scope']}."
    if rollup in ("avg", "unknown"):
        says += f" Values are {'averages' if rollup == 'avg' else 'aggregated in an unknown way'} over "
        says += f"{step_us / 6e7:g} min: true peaks are higher."
    return says
